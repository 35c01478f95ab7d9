"""From a trained policy to its bundle, whatever the algorithm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from il_ros.calibration.calibrate import CalibrationConfig, calibrate
from il_ros.calibration.conformal_calibration import episodes_needed
from il_ros.calibration.fit_scores import channels_named, fit_bank
from il_ros.datasets.dataset import Dataset
from il_ros.monitors.calibrated_scores import FittedScores
from il_ros.monitors.conformal_thresholds import CalibrationRecord
from il_ros.policies.bundle import Bundle, Training, policy_identity
from il_ros.policies.policy import Policy


def make_bundle(
    policy: Policy,
    dataset: Dataset,
    *,
    algorithm: str,
    config: Mapping[str, Any],
    metrics: Mapping[str, float],
    trained_on: Sequence[int],
    held_out: Sequence[int],
    scored: bool = True,
    score_channels: Sequence[str] = (),
) -> Bundle:
    """A policy with its history and, where an arm moves, scores of what it was trained on.

    Where enough episodes are held out for the default `alpha`, the scores' thresholds are
    calibrated on them; else `il_ros monitor calibrate` has to do it.

    Args:
        policy: The policy.
        dataset: What it was trained on.
        algorithm: Name of the algorithm.
        config: Its configuration, as plain JSON.
        metrics: What training says about itself.
        trained_on: Indices of the episodes that were trained on.
        held_out: Indices of those that were not.
        scored: Whether scores are fitted, without which no monitor can watch it.
        score_channels: Which scores, by the names of `channels_named`; the default ones if empty.

    Raises:
        UnknownNameError: If a kind of score is not known.
        IlRosError: If the scores do not fit the policy.
    """
    # The monitor is an arm's: nothing scores what commands no joints.
    scored = scored and dataset.contract.action.space == 'joints'
    channels = channels_named(score_channels) or None
    scores = fit_bank(policy, dataset, trained_on, channels) if scored else None
    entries = [dataset.episodes[i] for i in trained_on]
    training = Training(
        algorithm=algorithm,
        config=config,
        metrics=metrics,
        data_hash=dataset.manifest.data_hash,
        episodes=tuple(entry.id for entry in entries),
        seeds=tuple(entry.seed for entry in entries if entry.seed is not None),
        held_out=tuple(dataset.episodes[i].id for i in held_out),
    )
    threshold = _threshold(scores, policy, dataset, held_out) if scores else None
    return Bundle(policy=policy, training=training, scores=scores, threshold=threshold)


def _threshold(
    scores: FittedScores, policy: Policy, dataset: Dataset, held_out: Sequence[int]
) -> CalibrationRecord | None:
    good = [i for i in held_out if dataset.episodes[i].outcome == 'success']
    if len(good) < episodes_needed(CalibrationConfig.alpha, len(scores.channels), varying=True):
        return None
    return calibrate(
        scores, policy, dataset, good, source='demonstrations', policy_id=policy_identity(policy)
    )
