"""Scores and thresholds tried before they are relied on: what cannot work is found at loading."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from il_ros.core.frames import Frame
from il_ros.core.limits import Array
from il_ros.monitors.calibrated_scores import Calibration, FittedScores
from il_ros.monitors.conformal_thresholds import CalibrationError, mean_ratio
from il_ros.monitors.scores.score import ScoreInput
from il_ros.policies.score_inputs import ScoreInputs

_ANSWER = 1e3  # rad or m: no arm has such joints
_EMBEDDING = 1e3  # far outside of what a normalised layer gives
_TICKS = 4  # two chunks it takes to compare one with the other


def zero_input(scores: FittedScores, inputs: ScoreInputs) -> ScoreInput:
    """The score input of one frame of zeros and a chunk of zeros."""
    contract = scores.features.contract
    streams = contract.observations
    frame = Frame(
        stamp=0,
        values={key: np.zeros(stream.size) for key, stream in streams.items()},
        valid=dict.fromkeys(streams, True),
        age=dict.fromkeys(streams, 0.0),
    )
    return inputs.of_frame(frame, np.zeros((scores.horizon, len(contract.action.names))))


def require_watchful(scores: FittedScores, calibration: Calibration, inputs: ScoreInputs) -> None:
    """Refuse thresholds that nothing could ever be above.

    Tried with what is as far from training as an input can be: every feature at the end of its
    range, where observations are clipped, and a policy that jumps to and fro. There each score has
    to be higher than it usually goes in an episode, at every tick, and all together have to stop
    the policy.

    Raises:
        CalibrationError: Naming the scores that are not.
    """
    bank, thresholds = calibration.bank, calibration.thresholds
    bank.reset()
    readings = [bank.read(score_input) for score_input in _far(scores, inputs)]
    bank.reset()
    known = np.array([np.where(np.isfinite(reading), reading, np.nan) for reading in readings])
    unknown = np.isnan(known).all(axis=0)  # on the robot that stops the policy by itself
    farthest = np.where(unknown, np.inf, np.nanmax(known, axis=0, initial=-np.inf))
    heights = (farthest[:, None] - thresholds.loc) / thresholds.scale
    low = heights.min(axis=1) < 1.0
    stops = mean_ratio(thresholds.anywhere().ratios(farthest, _TICKS)) > 1.0
    if low.any() or not stops:
        names = [name for name, is_low in zip(bank.names, low, strict=True) if is_low]
        raise CalibrationError(
            f'no observation could be above them ({", ".join(names or bank.names)})',
            where='thresholds',
            allowed='what an observation far from training is above',
        )


def _far(scores: FittedScores, inputs: ScoreInputs) -> Iterator[ScoreInput]:
    zero = zero_input(scores, inputs)
    normalizer = scores.features.normalizer
    features: Array = np.full(normalizer.mean.shape, normalizer.clip)
    for tick in range(_TICKS):
        sign, time = (-1.0) ** tick, tick * zero.step_dt
        yield ScoreInput(
            time=time,
            features=sign * features,
            embedding=_of(zero.embedding, sign * _EMBEDDING),
            position=zero.position,
            chunk=_of(zero.chunk, sign * _ANSWER),
            chunk_time=time,
            step_dt=zero.step_dt,
            reference=zero.reference,
        )


def _of(like: Array | None, value: float) -> Array | None:
    return None if like is None else np.full(like.shape, value)
