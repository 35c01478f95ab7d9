"""From a trained policy to its bundle, whatever the algorithm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from il_ros.datasets.dataset import Dataset
from il_ros.policies.base import Policy
from il_ros.policies.bundle import Bundle, Training, policy_identity
from il_ros.policies.calibration import ALPHA, WINDOW, Novelty, Threshold, calibrate, enough


def make_bundle(
    policy: Policy,
    dataset: Dataset,
    *,
    algorithm: str,
    config: Mapping[str, Any],
    metrics: Mapping[str, float],
    trained_on: Sequence[int],
    held_out: Sequence[int],
) -> Bundle:
    """A policy with its history and a novelty score of what it was trained on.

    Where enough episodes are held out for the default `alpha`, the score's threshold is
    calibrated on them; else `il_ros calibrate` has to do it.

    Args:
        policy: The policy.
        dataset: What it was trained on.
        algorithm: Name of the algorithm.
        config: Its configuration, as plain JSON.
        metrics: What training says about itself.
        trained_on: Indices of the episodes that were trained on.
        held_out: Indices of those that were not.
    """
    novelty = Novelty.fit(dataset, trained_on)
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
    threshold = _threshold(novelty, dataset, held_out, policy_identity(policy))
    return Bundle(policy=policy, training=training, novelty=novelty, threshold=threshold)


def _threshold(
    novelty: Novelty, dataset: Dataset, held_out: Sequence[int], policy_id: str
) -> Threshold | None:
    good = [i for i in held_out if dataset.episodes[i].outcome == 'success']
    if not enough(len(good), ALPHA):
        return None
    return calibrate(
        novelty,
        dataset,
        good,
        alpha=ALPHA,
        window=WINDOW,
        source='demonstrations',
        policy_id=policy_id,
    )
