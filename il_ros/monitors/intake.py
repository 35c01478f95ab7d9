"""Takes in the chunks of one source and says what it wants, or why it cannot be trusted."""

from __future__ import annotations

from math import inf

from il_ros.core.limits import Array
from il_ros.monitors import checks
from il_ros.monitors.checks import Fault
from il_ros.monitors.follower import ChunkFollower
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, Source

Target = tuple[Array, Array]


class ChunkIntake:
    """The chunks of one source.

    Args:
        source: Whose chunks.
        names: The commanded joints, in order.
        contract_hash: Hash of the contract that chunks have to be made for.
        policy_id: The policy that is calibrated; empty lets any through.
        config: Settings.
    """

    def __init__(
        self,
        source: Source,
        *,
        names: tuple[str, ...],
        contract_hash: str,
        policy_id: str,
        config: MonitorConfig,
    ) -> None:
        self._source = source
        self._names, self._contract_hash, self._policy_id = names, contract_hash, policy_id
        self._config = config
        self._follower = ChunkFollower(config.chunk_blend)
        self._bad: Fault | None = None
        self.begin(-inf)

    @property
    def bad(self) -> Fault | None:
        """What was wrong with a chunk of this source, until it is dealt with."""
        return self._bad

    def offer(self, chunk: Chunk, *, now: float | None, forgive: bool) -> None:
        """Check a chunk and follow it if it is newer than the last.

        Args:
            chunk: The chunk.
            now: Time of the last tick [s]; None before the first.
            forgive: Whether a good chunk makes up for a bad one before it; not while driving.
        """
        bad = self._judge(chunk, now)
        if bad is None:
            self._follower.offer(chunk)
        if bad or forgive:
            self._bad = bad

    @property
    def chunk(self) -> Chunk | None:
        """The newest good chunk."""
        return self._follower.chunk

    def begin(self, not_before: float) -> None:
        """The source is about to drive; use nothing stamped before `not_before` [s]."""
        self.not_before = not_before
        self._follower.reset(not_before)
        self._since: float | None = None  # first tick that it drove
        self._followed = False

    def forget(self) -> None:
        """Follow nothing, as after a jump of the clock, which makes old stamps meaningless."""
        self._follower.reset()

    def pull(self, now: float, lead: float, frame_stamp: float) -> Target | Fault | None:
        """What the source wants when the arm has carried out this tick, while it drives.

        Args:
            now: The present [s].
            lead: How far from now that is [s].
            frame_stamp: Stamp of the newest frame [s].

        Returns:
            Position and velocity (N,) at ``now + lead``; a fault; or None: wait, it has just begun.
        """
        if self._bad:
            bad, self._bad = self._bad, None
            return bad
        self._since = now if self._since is None else self._since
        problem = self._problem(now, frame_stamp)
        if problem is None:
            self._followed = True
            return self._follower.target(now + lead)
        # What is late may still come in the beginning; what is wrong is wrong at once.
        late = problem.kind == 'deadline' and now - self._since <= self._config.startup_grace
        return None if late and not self._followed else problem

    def _judge(self, chunk: Chunk, now: float | None) -> Fault | None:
        try:
            fault = checks.chunk_content(
                chunk,
                source=self._source,
                names=self._names,
                contract_hash=self._contract_hash,
                policy_id=self._policy_id,
            )
            if fault or now is None:
                return fault
            # Stamped ahead, it would outrank every good one to come. The present is at most a step
            # of the clock after the last tick.
            ahead = self._config.clock_step + self._config.future
            what = f'{self._source} chunk'
            return checks.stamp(what, chunk.stamp, now, max_age=inf, future=ahead)
        except Exception as error:  # a chunk that cannot even be looked at is a bad one
            return Fault('chunk', f'{self._source} chunk: {type(error).__name__}: {error}')

    def _problem(self, now: float, frame_stamp: float) -> Fault | None:
        what, chunk = f'{self._source} chunk', self._follower.chunk
        if frame_stamp < self.not_before:
            return Fault('deadline', 'frame: none since the mode was asked for')
        if chunk is None or chunk.stamp < self.not_before:
            return Fault('deadline', f'{what}: none since the mode was asked for')
        config = self._config
        fault = checks.stamp(what, chunk.stamp, now, max_age=config.chunk_age, future=config.future)
        if fault and fault.kind == 'clock':
            self.forget()
            return fault
        if fault is None and self._follower.exhausted(now):
            return Fault('deadline', f'{what}: its last step has passed and none is newer')
        return fault
