"""Thresholds for a bundle on disk."""

from __future__ import annotations

from pathlib import Path

from il_ros.core.errors import BundleError, DatasetError
from il_ros.datasets.dataset import Dataset
from il_ros.policies.bundle import Bundle, load_bundle, save_threshold
from il_ros.policies.calibration import ALPHA, WARN_ALPHA, WINDOW, CalibrationRecord, calibrate


def calibrate_bundle(
    path: Path,
    rollouts: Dataset,
    *,
    alpha: float = ALPHA,
    warn_alpha: float = WARN_ALPHA,
    window: int = WINDOW,
    varying: bool = True,
    where: str = 'rollouts',
) -> tuple[Bundle, CalibrationRecord]:
    """Set the thresholds of the bundle at `path`; nothing else of it changes.

    Args:
        path: Its folder.
        rollouts: Successful episodes of its policy, none of them trained on.
        alpha: Largest rate of nominal episodes with a false alarm.
        warn_alpha: Largest rate of nominal episodes with a warning.
        window: Ticks that the scores are averaged over.
        varying: Whether the thresholds follow the course of an episode.
        where: What an error says the rollouts are.

    Raises:
        BundleError: If it has no scores.
        DatasetError: If the policy was trained on an episode of them, or one did not succeed.
        CalibrationError: If they are too few.
    """
    bundle = load_bundle(path, rollouts.contract)
    _refuse_trained(bundle, rollouts, where)
    if bundle.scores is None:
        raise BundleError(
            'has no scores',
            where=str(path),
            allowed='a policy whose actions are positions of joints',
            fix='train it again, under a contract of an arm',
        )
    limit = calibrate(
        bundle.scores,
        bundle.policy,
        rollouts,
        range(len(rollouts.episodes)),
        source='rollouts',
        policy_id=bundle.policy_id,
        alpha=alpha,
        warn_alpha=warn_alpha,
        window=window,
        varying=varying,
    )
    save_threshold(path, bundle, limit)
    return bundle, limit


def _refuse_trained(bundle: Bundle, data: Dataset, where: str) -> None:
    ids, seeds = set(bundle.training.episodes), set(bundle.training.seeds)
    known = [entry.id for entry in data.episodes if entry.id in ids or entry.seed in seeds]
    if known:
        raise DatasetError(
            f'the policy was trained on {", ".join(known[:5])} or the same seeds',
            where=where,
            allowed='episodes that it has never seen',
            fix='record rollouts with other seeds',
        )
