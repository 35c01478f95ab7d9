"""The mode machine: who drives the arm, and what may follow what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from il_ros.core.errors import IlRosError

_MOVES = ('the arm moves, or its velocity is not known', 'wait until it stands')


class Mode(StrEnum):
    """Who drives the arm."""

    IDLE = 'idle'  # nobody: nothing is published
    HOLD = 'hold'  # nobody: the arm slows down and keeps its position
    POLICY = 'policy'
    EXPERT = 'expert'
    ALARM = 'alarm'  # stopped and held by a fault or a trigger, until resumed

    @property
    def driving(self) -> bool:
        """Whether a source moves the arm in this mode."""
        return self in (Mode.POLICY, Mode.EXPERT)


class ModeRefused(IlRosError):  # noqa: N818 - a refusal is an answer, not a failure
    """A mode that was asked for cannot be entered now."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a request is judged by.

    Attributes:
        invalid: Why frames cannot be relied on, empty when they can.
        fault: Text of the fault that is there right now, empty when there is none.
        standstill: Whether the arm stands: its plan has ended and no measured joint moves.
    """

    invalid: str
    fault: str
    standstill: bool

    @property
    def unsafe(self) -> str:
        """Why motion must not begin; empty when it may."""
        return self.fault or self.invalid


class ModeMachine:
    """Holds the mode; requests come from people and programs, faults and triggers from ticks.

    ALARM latches: only a request with `resume` leads out, to HOLD or IDLE, never to motion.
    No request leads into ALARM: who wants to stop asks for HOLD.
    """

    def __init__(self) -> None:
        self.mode = Mode.IDLE
        self.reason = 'started'

    @property
    def publishes(self) -> bool:
        """Whether this mode commands the arm at all."""
        return self.mode is not Mode.IDLE

    def request(self, mode: Mode, situation: Situation, *, resume: bool = False) -> None:
        """Go to `mode`; the present one is always granted and changes nothing.

        Raises:
            ModeRefused: With the reason, if the way there is not open; the mode stays.
        """
        if mode is self.mode:
            return
        refusal = self._refusal(mode, situation, resume)
        if refusal:
            problem, fix = refusal
            raise ModeRefused(problem, where=f'mode {self.mode} to {mode}', fix=fix)
        self.mode, self.reason = mode, 'resumed' if self.mode is Mode.ALARM else 'requested'

    def tick(self, *, fault: str = '', trigger: str = '') -> None:
        """Take in what a tick found; a fault comes before a trigger, the first reason latches.

        Args:
            fault: Text of a hard fault; stops every mode that commands the arm.
            trigger: Text of a novelty trigger; stops the policy alone, since an expert is there
                to act where the policy cannot.
        """
        text = fault or (trigger if self.mode is Mode.POLICY else '')
        if text and self.mode not in (Mode.IDLE, Mode.ALARM):
            self.mode, self.reason = Mode.ALARM, text

    def _refusal(self, mode: Mode, now: Situation, resume: bool) -> tuple[str, str] | None:
        if mode is Mode.ALARM:
            return 'alarm is entered by a fault or a trigger alone', 'request hold to stop'
        if self.mode is Mode.ALARM:
            return self._refusal_to_resume(mode, now, resume)
        if mode is Mode.IDLE and self.mode.driving:
            return 'the arm is being driven', 'request hold first'
        if (mode.driving or self.mode is Mode.IDLE) and now.unsafe:
            return f'not safe to start: {now.unsafe}', 'mend this, then repeat'
        if Mode.IDLE in (mode, self.mode) and not now.standstill:
            return _MOVES
        return None  # hold is always open to who drives: it is the stop

    def _refusal_to_resume(
        self, mode: Mode, now: Situation, resume: bool
    ) -> tuple[str, str] | None:
        if not resume:
            return f'alarm is latched: {self.reason}', 'resume to hold once the cause is gone'
        if mode.driving:
            return 'an alarm is left without motion', 'resume to hold first'
        if not now.standstill:
            return _MOVES
        # IDLE commands nothing, so it is open even while the cause lasts: an arm that stands
        # outside its workspace could never be moved back otherwise.
        if mode is Mode.HOLD and now.unsafe:
            return f'the cause is still there: {now.unsafe}', 'mend this, then repeat'
        return None
