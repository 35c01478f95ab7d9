"""The mode machine: who drives the arm, and what may follow what."""

from __future__ import annotations

from enum import StrEnum

from il_ros.core.errors import IlRosError

_MOVES = ('the arm moves, or its velocity is not known', 'wait until it stands')


class Mode(StrEnum):
    """Who drives the arm."""

    IDLE = 'idle'  # nobody: nothing is published
    HOLD = 'hold'  # nobody: the arm slows down and keeps its position
    POLICY = 'policy'
    EXPERT = 'expert'
    FALLBACK = 'fallback'  # the monitor itself, on its way to where it will wait for a resume
    ALARM = 'alarm'  # stopped and held by a fault or a trigger, until resumed

    @property
    def driving(self) -> bool:
        """Whether a source moves the arm in this mode."""
        return self in (Mode.POLICY, Mode.EXPERT)


class ModeRefused(IlRosError):  # noqa: N818 - a refusal is an answer, not a failure
    """A mode that was asked for cannot be entered now."""


class ModeMachine:
    """Holds the mode; requests come from people and programs, faults and triggers from ticks.

    ALARM latches: only a request with `resume` clears it, to HOLD or IDLE, never to motion.
    No request enters ALARM; to stop the arm, request HOLD. The reason for leaving the policy stays
    latched while the fallback, the expert it handed over to, or a takeover from either moves the
    arm. Stopping them, or letting go of the switch, then enters ALARM.
    """

    def __init__(self) -> None:
        self.mode = Mode.IDLE
        self.reason = 'started'
        self._back: Mode | None = None  # where the end of a takeover leads; None: no takeover
        self._latched = ''  # why the policy was left, in FALLBACK and in a takeover out of it

    @property
    def publishes(self) -> bool:
        """Whether this mode commands the arm at all."""
        return self.mode is not Mode.IDLE

    @property
    def takeover(self) -> bool:
        """Whether the expert drives because an operator holds the enable switch."""
        return self._back is not None

    def request(self, mode: Mode, unsafe: str, standstill: bool, *, resume: bool = False) -> None:
        """Go to `mode`; the present one is always granted and changes nothing.

        Args:
            mode: The mode wanted.
            unsafe: Why motion must not begin; empty when it may.
            standstill: Whether the arm stands: its plan has ended and no measured joint moves.
            resume: Whether this is the operator's word that an ALARM may end.

        Raises:
            ModeRefused: With the reason, if the way there is not open; the mode stays.
        """
        if mode is self.mode:
            return
        refusal = self._refusal(mode, unsafe, standstill, resume)
        if refusal:
            problem, fix = refusal
            raise ModeRefused(problem, where=f'mode {self.mode} to {mode}', fix=fix)
        if mode is Mode.HOLD and self._latched:
            # A stop is always granted, but it does not confirm that the cause was dealt with.
            self._enter(Mode.ALARM, f'{self._latched}; then stopped by request')
            return
        self._enter(mode, 'resumed' if self.mode is Mode.ALARM else 'requested')

    def tick(self, *, fault: str = '', trigger: str = '', leave: Mode = Mode.ALARM) -> None:
        """Apply the result of a tick; a fault comes before a trigger, the first reason latches.

        Args:
            fault: Text of a hard fault; stops every mode that commands the arm.
            trigger: Text of a trigger; it stops the policy only, since an expert is there to act
                where the policy cannot.
            leave: The mode after a trigger: ALARM, FALLBACK, or EXPERT where a live expert is
                known.
        """
        if self.mode in (Mode.IDLE, Mode.ALARM):
            return
        if fault:
            text = f'{self._latched}; then {fault}' if self._latched else fault
            self._enter(Mode.ALARM, text)
        elif trigger and self.mode is Mode.POLICY:
            self._enter(leave, trigger)
            self._latched = '' if leave is Mode.ALARM else trigger

    def arrived(self) -> None:
        """The fallback's motion has ended: wait for a resume."""
        if self.mode is Mode.FALLBACK:
            self._enter(Mode.ALARM, self._latched)

    def next_mode(self, held: bool, *, to_policy: bool) -> Mode:
        """The mode after `take_over` or `let_go`, whichever such an enable switch asks for."""
        if held:
            return Mode.EXPERT if self._may_take_over else self.mode
        return self.mode if self._back is None else self._after_takeover(self._back, to_policy)

    def take_over(self) -> bool:
        """An operator holds the enable switch: the expert drives if it may. Says whether."""
        if not self._may_take_over:
            return False
        latched = self._latched
        back = Mode.POLICY if self.mode is Mode.POLICY else Mode.HOLD
        back = Mode.ALARM if latched else back
        self._enter(Mode.EXPERT, 'takeover')
        self._back, self._latched = back, latched
        return True

    def let_go(self, *, to_policy: bool) -> bool:
        """The enable switch was let go; says whether that ended a takeover.

        Args:
            to_policy: Whether a policy that drove before goes on; else the arm is held.
        """
        if self._back is None:
            return False
        back = self._after_takeover(self._back, to_policy)
        text = f'{self._latched}; then corrected by hand' if self._latched else 'takeover ended'
        self._enter(back, text)
        return True

    @property
    def _may_take_over(self) -> bool:
        return self.mode not in (Mode.IDLE, Mode.ALARM) and not self.takeover

    @staticmethod
    def _after_takeover(back: Mode, to_policy: bool) -> Mode:
        return Mode.HOLD if back is Mode.POLICY and not to_policy else back

    def _enter(self, mode: Mode, reason: str) -> None:
        self.mode, self.reason = mode, reason
        self._back, self._latched = None, ''

    def _refusal(
        self, mode: Mode, unsafe: str, standstill: bool, resume: bool
    ) -> tuple[str, str] | None:
        if mode in (Mode.ALARM, Mode.FALLBACK):
            return f'{mode} is entered by a fault or a trigger alone', 'request hold to stop'
        if self.mode is Mode.ALARM:
            return self._refusal_to_resume(mode, unsafe, standstill, resume)
        if self._latched and mode is not Mode.HOLD:
            return f'the policy was stopped: {self._latched}', 'request hold, then resume'
        if self.takeover and mode is not Mode.HOLD:
            return 'an operator holds the enable switch', 'let go of it first, or request hold'
        return self._refusal_to_move(mode, unsafe, standstill)

    def _refusal_to_move(self, mode: Mode, unsafe: str, standstill: bool) -> tuple[str, str] | None:
        if mode is Mode.IDLE and self.mode.driving:
            return 'the arm is being driven', 'request hold first'
        if (mode.driving or self.mode is Mode.IDLE) and unsafe:
            return f'not safe to start: {unsafe}', 'fix this, then repeat'
        if Mode.IDLE in (mode, self.mode) and not standstill:
            return _MOVES
        return None  # hold is always open to who drives: it is the stop

    def _refusal_to_resume(
        self, mode: Mode, unsafe: str, standstill: bool, resume: bool
    ) -> tuple[str, str] | None:
        if not resume:
            return f'alarm is latched: {self.reason}', 'resume to hold once the cause is gone'
        if mode.driving:
            return 'an alarm is left without motion', 'resume to hold first'
        if not standstill:
            return _MOVES
        # IDLE commands nothing, so it is open even while the cause lasts: an arm that stands
        # outside its workspace could never be moved back otherwise.
        if mode is Mode.HOLD and unsafe:
            return f'the cause is still there: {unsafe}', 'fix this, then repeat'
        return None
