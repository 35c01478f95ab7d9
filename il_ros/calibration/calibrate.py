"""Thresholds for the scores of a policy, from successful episodes that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from il_ros.calibration.conformal_calibration import WARN_ALPHA, joint_thresholds
from il_ros.calibration.fit_scores import traces
from il_ros.core.errors import BundleError, DatasetError
from il_ros.core.limits import Array
from il_ros.datasets.dataset import Dataset
from il_ros.monitors.calibrated_scores import WINDOW, FittedScores
from il_ros.monitors.conformal_thresholds import CalibrationRecord
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.policies.bundle_writer import save_threshold
from il_ros.policies.policy import Policy


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig:
    """How thresholds are calibrated.

    Attributes:
        alpha: Largest rate of nominal episodes with a false alarm.
        warn_alpha: Largest rate of nominal episodes with a warning.
        window: Ticks that the scores are averaged over.
        varying: Whether the thresholds follow the course of an episode; for tasks in which the
            same happens at the same time.
    """

    alpha: float = 0.02
    warn_alpha: float = WARN_ALPHA
    window: int = WINDOW
    varying: bool = True


def calibrate(
    scores: FittedScores,
    policy: Policy,
    dataset: Dataset,
    episodes: Sequence[int],
    *,
    source: str,
    policy_id: str,
    config: CalibrationConfig | None = None,
) -> CalibrationRecord:
    """The thresholds that `episodes` (indices), successful and not trained on, give.

    The rollouts have to be of the policy itself, driving alone and without being stopped or slowed
    by earlier thresholds: those that the monitor stops count as failures and would be missing here,
    and thresholds made of the rest are too low.

    Args:
        policy: The policy, which answers the frames of the episodes anew.
        source: What they are: held-out `demonstrations`, or `rollouts` of the policy.

    Raises:
        DatasetError: If one of them did not succeed, or is given twice.
        CalibrationError: If they are too few for `alpha`, or a score is not finite.
    """
    config = config or CalibrationConfig()
    entries = [dataset.episodes[i] for i in episodes]
    failed = [entry.id for entry in entries if entry.outcome != 'success']
    if failed:
        raise DatasetError(
            f'{", ".join(failed[:5])} did not succeed',
            where='calibration',
            fix='build the dataset of successful episodes only',
        )
    if len({entry.id for entry in entries}) < len(entries):
        raise DatasetError(
            'an episode is given twice',
            where='calibration',
            allowed='different episodes: the promise of the thresholds counts them',
        )
    thresholds = joint_thresholds(
        traces(scores, policy, dataset, episodes, config.window),
        alpha=config.alpha,
        warn_alpha=config.warn_alpha,
        varying=config.varying,
        names=[channel.name for channel in scores.channels],
    )
    record = CalibrationRecord(
        rule='mean',
        stop=thresholds.stop,
        warn=thresholds.warn,
        loc=_plain(thresholds.loc),
        scale=_plain(thresholds.scale),
        begin=thresholds.begin,
        maxima=thresholds.maxima,
        **asdict(config),
        longest=max(entry.length for entry in entries),
        episodes=tuple(entry.id for entry in entries),
        seeds=tuple(entry.seed for entry in entries if entry.seed is not None),
        source=source,
        policy_id=policy_id,
        data_hash=dataset.manifest.data_hash,
    )
    record.require_calibrated()
    return record


def _plain(array: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in array.tolist())


def calibrate_bundle(
    path: Path, rollouts: Dataset, config: CalibrationConfig | None = None, *, where: str
) -> tuple[Bundle, CalibrationRecord]:
    """Set the thresholds of the bundle at `path`; nothing else of it changes.

    Args:
        rollouts: Successful episodes of its policy, none of them trained on.
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
        config=config,
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
