"""Takes in the action chunks of one source, follows them through time, or says what is wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from il_ros.core.action_spaces import ActionSpace
from il_ros.core.errors import IlRosError
from il_ros.core.geometry import unwrapped
from il_ros.core.limits import Array
from il_ros.monitors import checks
from il_ros.monitors.checks import Fault
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.monitors.monitor_input import Chunk, Source

Target = tuple[Array, Array]
"""Position [rad or m] and velocity [rad/s or m/s] wanted of the joints, each of shape (N,)."""

_MOST = 64  # chunks that are blended
_ROUNDING = 1e-6  # s by which the same instant may differ
_MOST_FRAMES = 4096  # whose joints are remembered
_GAP = 3.0  # periods between two frames, of which a chunk may answer one in between
_NEGLIGIBLE = 1e-3  # weight of a chunk, relative to the newest


class ChunkFollower:
    """Where the newest chunks want the joints to be, at any time.

    Between steps positions are interpolated linearly, and velocities linearly between central
    differences at the steps. Past the last step the target rests there. Steps that are past are
    never gone back to.

    Overlapping chunks are averaged at each instant (temporal ensembling, Zhao et al. 2023, section
    IV-B, with the newest chunk weighing most). A chunk that is a steps older than the newest has
    the weight blend^a, however many chunks arrived in between. A single chunk can come to rest
    between two phases of a task, where half of the demonstrations wait and the other half go on;
    older chunks carry the motion over.

    Args:
        blend: Weight of a chunk relative to one that is a step newer; 0 follows the newest alone.
        endless: Which joints turn without end, shape (N,): their steps go the short way, and so
            does the newest chunk from the one before.
    """

    def __init__(self, blend: float = 0.0, endless: NDArray[np.bool_] | None = None) -> None:
        self._blend, self._endless = blend, endless
        self._followed: deque[_Followed] = deque(maxlen=_MOST if blend else 1)
        self._arrived = 0  # chunks since `arrivals` was asked for

    @property
    def chunk(self) -> Chunk | None:
        """The newest chunk that is followed."""
        return self._followed[-1].chunk if self._followed else None

    def offer(self, chunk: Chunk) -> bool:
        """Follow `chunk` from now on; False, and no change, if an equally new one is followed."""
        newest = self.chunk
        if newest is not None and chunk.stamp <= newest.stamp:
            return False
        self._followed.append(_Followed(self._the_short_way(chunk)))
        self._arrived += 1
        return True

    def _the_short_way(self, chunk: Chunk) -> Chunk:
        if self._endless is None or not self._endless.any():
            return chunk
        near, first = chunk.positions[0], chunk.stamp + chunk.step_dt
        if self._followed:
            near = self._followed[-1].at(first)[0]
        return replace(chunk, positions=unwrapped(chunk.positions, near, self._endless))

    def reset(self, not_before: float = np.inf) -> None:
        """Follow the newest chunk alone, and nothing that is stamped before `not_before` [s]."""
        newest = self.chunk
        keep = newest is not None and newest.stamp >= not_before
        while len(self._followed) > keep:
            self._followed.popleft()
        self._arrived = 0

    def exhausted(self, t: float) -> bool:
        """Whether no step is due at `t` [s] or later: the source has fallen silent."""
        return not self._followed or t > self._followed[-1].end

    def target(self, t: float) -> Target:
        """Position and velocity (N,) wanted at `t` [s].

        Raises:
            LookupError: If nothing is followed.
        """
        if not self._followed:
            raise LookupError('no chunk is followed')
        newest = self._followed[-1]
        if len(self._followed) == 1:
            return newest.at(t)
        stamp, dt, blend = newest.stamp, newest.chunk.step_dt, self._blend
        weight, weights = 1.0, [1.0]
        states, share = newest.around(t)
        steps, shares = [states], [1.0 - share, share]
        for older in list(self._followed)[-2::-1]:
            weight = blend ** ((stamp - older.stamp) / dt)
            if weight < _NEGLIGIBLE:
                break  # so are all before it
            if t <= older.last_motion:
                states, share = older.around(t)
                steps.append(states)
                weights.append(weight)
                shares += weight * (1.0 - share), weight * share
        # One product over all steps: a sum chunk by chunk takes a tenth of a period of 1 ms.
        factors = np.array(shares) / sum(weights)
        position, velocity = np.tensordot(factors, np.concatenate(steps), 1)
        return position, velocity

    def arrivals(self, t: float) -> list[tuple[Array, Array]]:
        """What each chunk since the last call wants at `t` [s], oldest first; see `target`.

        The newest is always among them, also where none is new.

        Returns:
            Its position (N,), and by how much it differs from what the chunk before wants.
        """
        count, self._arrived = max(self._arrived, 1), 0
        wanted = [followed.at(t)[0] for followed in list(self._followed)[-count - 1 :]]
        before = wanted if len(wanted) > count else [wanted[0], *wanted]
        return [(new, new - old) for old, new in zip(before, wanted[-count:], strict=False)]


class _Followed:
    """One chunk, ready to be asked."""

    def __init__(self, chunk: Chunk) -> None:
        steps = len(chunk.positions)
        self.chunk, self.stamp = chunk, chunk.stamp
        self._first, self._dt = chunk.stamp + chunk.step_dt, chunk.step_dt
        self.end = chunk.stamp + chunk.step_dt * steps
        # A chunk slows down to rest at its last step, because what follows is not known. Among
        # chunks that know what follows, it has no say from the step before on.
        self.last_motion = self.end - chunk.step_dt + _ROUNDING
        self._last = float(steps - 1)
        # A copy, not the sender's to change. What comes after the last step is not known: it is a
        # rest, of which there are two rows where it is the only step.
        states = np.zeros((max(steps, 2), 2, np.shape(chunk.positions)[1]))
        states[:, 0] = positions = chunk.positions
        if steps > 1:
            states[1:-1, 1] = (positions[2:] - positions[:-2]) / (2 * self._dt)
            states[0, 1] = (positions[1] - positions[0]) / self._dt
        self._states, self._most = states, len(states) - 2

    def at(self, t: float) -> Target:
        (before, after), share = self.around(t)
        position, velocity = before + share * (after - before)
        return position, velocity

    def around(self, t: float) -> tuple[Array, float]:
        """States (2, 2, N) at the steps before and after `t`, and which share of the way it is."""
        phase = min(max((t - self._first) / self._dt, 0.0), self._last)
        i = min(int(phase), self._most)
        return self._states[i : i + 2], phase - i


class JointConversion:
    """Makes joint positions of chunks in other spaces, from the joints measured at their stamp.

    Args:
        spaces: The spaces that are taken.
        joints: Names of the commanded joints.
        base_frame: Frame that tool poses have to be in.
        span: How old a chunk may be [s].
        dt: Control period [s].
    """

    def __init__(
        self,
        spaces: Sequence[ActionSpace] = (),
        joints: tuple[str, ...] = (),
        *,
        base_frame: str = '',
        span: float = 1.0,
        dt: float = 1.0,
    ) -> None:
        self._spaces = {space.names: space for space in spaces if space.name != 'joints'}
        self._joints, self._base_frame, self._span, self._gap = joints, base_frame, span, _GAP * dt
        self._seen: deque[tuple[float, Array]] = deque(maxlen=_MOST_FRAMES)

    def see(self, stamp: float, position: Array | None) -> None:
        """Remember joint positions (N,) [rad or m] that were measured at a time [s]."""
        if position is None or not self._spaces or (self._seen and stamp == self._seen[-1][0]):
            return
        if self._seen and stamp < self._seen[-1][0]:
            self.forget()
        self._seen.append((stamp, np.array(position)))
        while len(self._seen) > 2 and self._seen[1][0] < stamp - self._span:
            self._seen.popleft()

    def forget(self) -> None:
        """Old stamps mean nothing any more, as after a jump of the clock."""
        self._seen.clear()

    def space_of(self, chunk: Chunk) -> ActionSpace | None:
        """The space that the names of a chunk say; None for joints, and for what is not known."""
        return None if chunk.names == self._joints else self._spaces.get(chunk.names)

    def convert(self, chunk: Chunk, space: ActionSpace) -> Chunk | None:
        """The same chunk in joint positions; None until joints of its stamp were measured.

        Raises:
            IlRosError: With why there are none.
        """
        if space.name == 'tool_pose' and chunk.frame_id != self._base_frame:
            raise IlRosError(
                f'its poses are in the frame {chunk.frame_id!r}, not in {self._base_frame!r}'
            )
        if chunk.samples is not None:
            raise IlRosError(f'has samples, which have to be joints; it is in {space.name}')
        if (measured := self._measured(chunk.stamp)) is None:
            return None
        positions = space.to_joints(chunk.positions, measured, step_dt=chunk.step_dt)
        return replace(chunk, names=self._joints, positions=positions)

    def _measured(self, stamp: float) -> Array | None:
        """Joints at a time [s], (N,), those between two frames interpolated."""
        if not self._seen or stamp > self._seen[-1][0] + _ROUNDING:
            return None
        after = None
        for time, position in reversed(self._seen):
            if abs(time - stamp) <= _ROUNDING:
                return position
            if time < stamp:
                if after is None or after[0] - time > self._gap:
                    break
                share = (stamp - time) / (after[0] - time)
                return np.asarray(position + share * (after[1] - position))
            after = time, position
        raise IlRosError('no joints were measured at its stamp')


class ChunkIntake:
    """The chunks of one source.

    Args:
        content: The check of what a chunk holds.
        endless: See `ChunkFollower`.
        to_joints: Makes joints of chunks in other spaces; none are taken by default.

    Attributes:
        follower: Has the newest good chunks.
        bad: What was wrong with a chunk of this source, until it is dealt with.
    """

    def __init__(
        self,
        source: Source,
        content: Callable[..., Fault | None],
        config: MonitorConfig,
        endless: NDArray[np.bool_] | None = None,
        to_joints: JointConversion | None = None,
    ) -> None:
        self._source, self._content, self._config = source, content, config
        self._to_joints = to_joints or JointConversion()
        self._unseen: tuple[Chunk, ActionSpace] | None = None
        self.follower = ChunkFollower(config.chunk_blend, endless)
        self.bad: Fault | None = None
        self.begin(-inf)

    def offer(self, chunk: Chunk, *, now: float | None, forgive: bool) -> None:
        """Check a chunk and follow it if it is newer than the last.

        Args:
            now: Time of the last tick [s]; None before the first.
            forgive: Whether a good chunk makes up for a bad one before it; not while driving.
        """
        space = self._to_joints.space_of(chunk)
        bad = self._judge(chunk, now, space)
        if bad is None and space is None:
            self.follower.offer(chunk)
        elif bad is None and space is not None:
            if self._unseen is None or self._unseen[0].stamp < chunk.stamp:
                self._unseen = chunk, space
            bad = self._follow_converted()
        if bad or forgive:
            self.bad = bad

    def settle(self) -> None:
        """Follow the newest chunk of another space that came before the frame it answers."""
        self.bad = self._follow_converted() or self.bad

    def _follow_converted(self) -> Fault | None:
        if self._unseen is None:
            return None
        chunk, space = self._unseen
        try:
            converted = self._to_joints.convert(chunk, space)
        except Exception as error:  # what cannot even be computed is a bad one, too
            self._unseen = None
            named = f'{type(error).__name__}: {error}'
            why = error.problem if isinstance(error, IlRosError) else named
            return Fault('chunk', f'{self._source} chunk: {why}')
        if converted is not None:
            self._unseen = None
            self.follower.offer(converted)
        return None

    def forget(self) -> None:
        """Follow nothing that came before, as after a jump of the clock."""
        self._unseen = None
        self.follower.reset()

    def begin(self, not_before: float) -> None:
        """The source is about to drive; use nothing stamped before `not_before` [s]."""
        self.not_before = not_before
        if self._unseen is not None and self._unseen[0].stamp < not_before:
            self._unseen = None
        self.follower.reset(not_before)
        self._since: float | None = None  # first tick that it drove
        self._followed = False

    def pull(self, now: float, lead: float, frame_stamp: float) -> Target | Fault | None:
        """What the source wants when the arm has carried out this tick, while it drives.

        Args:
            now: The present [s].
            lead: How far from now that is [s].
            frame_stamp: Stamp of the newest frame [s].

        Returns:
            Position and velocity (N,) at ``now + lead``; a fault; or None: wait, it has just begun.
        """
        if self.bad:
            bad, self.bad = self.bad, None
            return bad
        self._since = now if self._since is None else self._since
        problem = self._problem(now, frame_stamp)
        if problem is None:
            self._followed = True
            return self.follower.target(now + lead)
        # What is late may still come in the beginning; what is wrong is wrong at once.
        late = problem.kind == 'deadline' and now - self._since <= self._config.startup_grace
        return None if late and not self._followed else problem

    def _judge(self, chunk: Chunk, now: float | None, space: ActionSpace | None) -> Fault | None:
        try:
            fault = self._content(chunk, names=space.names) if space else self._content(chunk)
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
        what, chunk = f'{self._source} chunk', self.follower.chunk
        if frame_stamp < self.not_before:
            return Fault('deadline', 'frame: none since the mode was asked for')
        if chunk is None or chunk.stamp < self.not_before:
            return Fault('deadline', f'{what}: none since the mode was asked for')
        config = self._config
        fault = checks.stamp(what, chunk.stamp, now, max_age=config.chunk_age, future=config.future)
        if fault and fault.kind == 'clock':
            self.follower.reset()  # old stamps mean nothing after a jump of the clock
            return fault
        if fault is None and self.follower.exhausted(now):
            return Fault('deadline', f'{what}: its last step has passed and none is newer')
        return fault
