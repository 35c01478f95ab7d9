"""What goes into the monitor: action chunks of a source, and the measured state of one tick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from il_ros.core.limits import Array
from il_ros.monitors.scores.score import ScoreInput

Source = Literal['policy', 'expert']


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """An action chunk (Zhao et al. 2023): what a source wants, as a rule joint positions.

    Attributes:
        stamp: Time of the observation that it answers [s].
        step_dt: Time between steps [s]; step i is due at ``stamp + (i + 1) * step_dt``.
        names: Joint names of the columns, N of them; of another space what
            `core.action_spaces.ActionSpace.names` says.
        positions: Joint position targets, shape (H, N) [rad or m]; or the numbers of that space.
        contract_hash: Hash of the contract that the source works under.
        policy_id: Which policy made it; empty for an expert.
        source: 'policy' or 'expert'.
        samples: Further answers of the policy to the same observation, shape (S, H, N); None where
            it gives one answer only.
        frame_id: Frame that tool poses are in.
    """

    stamp: float
    step_dt: float
    names: tuple[str, ...]
    positions: Array
    contract_hash: str
    policy_id: str
    source: str
    samples: Array | None = None
    frame_id: str = ''


@dataclass(frozen=True, kw_only=True)
class MonitorInput:
    """The measured state at one tick; None stands for what is not known, never for zero.

    Attributes:
        stamp: Time of the observation [s].
        position: Joint positions in the order of the commanded joints, shape (N,) [rad or m].
        velocity: Joint velocities, shape (N,) [rad/s or m/s].
        score_input: What the scores look at, but for the chunks, which the monitor adds.
        force: Wrist force, shape (3,) [N].
        torque: Wrist torque, shape (3,) [N m].
        following: Values of the streams that change whenever the arm moves, by key.
        invalid: One text for each required stream that is not valid: its key, age and limit.
        unconfirmed: Why no motion may begin at this posture yet; empty where one may.
        reference: Where the controller wants the joints, (N,) [rad or m]: there a motion begins.
            NaN for a joint, or None for all, where it does not say so.
        clock: What is known of the clock that stamped it, where that is noteworthy; for texts.
    """

    stamp: float
    position: Array | None
    velocity: Array | None = None
    score_input: ScoreInput | None = None
    force: Array | None = None
    torque: Array | None = None
    following: Mapping[str, Array] = field(default_factory=dict)
    invalid: tuple[str, ...] = ()
    unconfirmed: str = ''
    reference: Array | None = None
    clock: str = ''

    @property
    def features(self) -> Array | None:
        """Normalised features of the observation, shape (D,)."""
        return self.score_input.features if self.score_input else None
