"""``il_ros calibrate``: the novelty threshold of a bundle, from rollouts of its policy."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from il_ros.core.errors import BundleError, DatasetError
from il_ros.datasets.dataset import Dataset, load_dataset
from il_ros.policies import calibration
from il_ros.policies.bundle import Bundle, load_bundle, save_threshold
from il_ros.policies.calibration import ALPHA, WINDOW


def calibrate(bundle: Path, dataset: Path, alpha: float = ALPHA, window: int = WINDOW) -> int:
    """Set the monitor's threshold for a policy, by split conformal prediction.

    Args:
        bundle: Folder of the policy's bundle; only its threshold changes.
        dataset: Dataset of successful rollouts of this policy, none of them trained on.
        alpha: Largest rate of nominal episodes with a false alarm.
        window: Ticks that the score is averaged over.
    """
    loaded = load_bundle(bundle)
    data = load_dataset(dataset, contract=loaded.contract)
    _refuse_trained(loaded, data, dataset)
    if loaded.novelty is None:
        raise BundleError('has no novelty score', where=str(bundle), fix='train it again')
    limit = calibration.calibrate(
        loaded.novelty,
        data,
        range(len(data.episodes)),
        alpha=alpha,
        window=window,
        source='rollouts',
        policy_id=loaded.policy_id,
    )
    save_threshold(bundle, loaded, limit)
    Console().print(
        f'threshold {limit.value:.3g} of {len(limit.maxima)} episodes at alpha {alpha:g}: '
        f'policy {loaded.policy_id}'
    )
    return 0


def _refuse_trained(bundle: Bundle, data: Dataset, path: Path) -> None:
    ids, seeds = set(bundle.training.episodes), set(bundle.training.seeds)
    known = [entry.id for entry in data.episodes if entry.id in ids or entry.seed in seeds]
    if known:
        raise DatasetError(
            f'the policy was trained on {", ".join(known[:5])} or the same seeds',
            where=str(path),
            allowed='episodes that it has never seen',
            fix='record rollouts with other seeds',
        )
