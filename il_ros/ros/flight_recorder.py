"""The seconds around every event, each a bag of its own."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from il_ros.bags.episode_writer import EpisodeWriter
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.datasets.bag_conversion import EVENT_KINDS
from il_ros.msg import EpisodeEvent
from il_ros.ros.disk_space import DiskSpace
from il_ros.ros.kept_samples import PreRoll
from il_ros.ros.managed_node import ManagedNode
from il_ros.ros.node_parameters import setting
from il_ros.ros.output_folder import output_folder
from il_ros.ros.recording import Recording
from il_ros.ros.recording_session import episode_id
from il_ros.ros.snapshot_rotation import SnapshotRotation
from il_ros.ros.topic_listener import TopicListener

_GIB = 1 << 30
_TEXT = 1_000  # characters of one
_NAMED = 20  # events whose text goes into a snapshot's notes; all of them are in the bag


@dataclass(frozen=True, kw_only=True)
class FlightRecorderConfig:
    """Parameters of the flight recorder; times are on the machine's clock."""

    contract: str = setting('', 'Contract file: its topics are kept.')
    directory: str = setting(output_folder('flight_recorder'), 'Folder that the snapshots go to.')
    topics: tuple[str, ...] = setting(
        ('',), 'Further topics to keep, absolute or relative; their types come from the graph.'
    )
    events: tuple[str, ...] = setting(
        ('',), f'Kinds of events that make a snapshot, besides fallback: {", ".join(EVENT_KINDS)}.'
    )
    before: float = setting(
        10.0, 'How much from before its event a snapshot has [s].', low=0.0, high=600.0
    )
    after: float = setting(
        5.0, 'How much from after its last event a snapshot has [s].', low=0.0, high=600.0
    )
    max_duration: float = setting(
        60.0,
        'Longest time from the first event of a snapshot to its end [s].',
        low=0.1,
        high=3600.0,
    )
    memory: int = setting(
        _GIB,
        'Largest size of the messages in memory [bytes]: a third of it for the seconds before an '
        'event, the rest for what waits for the disk.',
        low=3 << 20,
        high=float(1 << 50),
    )
    keep: int = setting(
        50, 'How many snapshots stay; the oldest of this node go.', low=1, high=1_000_000
    )
    min_free: int = setting(
        _GIB, 'Room on the disk below which nothing is written [bytes].', low=0, high=float(1 << 50)
    )


class FlightRecorder:
    """Keeps what was heard around every event.

    Every method is for the same thread. None raises an error of the disk: the node that watches the
    robot must not be disturbed by it.

    Args:
        node: Whose names, clock and log are used.
        contract: What is kept.
        config: The node's parameters.

    Attributes:
        listener: Hears every topic; to be opened and closed.
        pre_roll: The seconds before an event.
        recording: The snapshot that is being written, if there is one.
        problem: What went wrong with the last snapshot; empty if nothing.
        written: Snapshots since the start.

    Raises:
        IlRosError: If a kind of event or a type of message does not exist.
    """

    def __init__(self, node: ManagedNode, contract: Contract, config: FlightRecorderConfig) -> None:
        self._node, self._contract, self._config = node, contract, config
        self._root = Path(config.directory)
        self._room = DiskSpace(self._root, config.min_free)
        self._room.warn_of_crash(node)
        self._rotation = SnapshotRotation(self._root, node.get_fully_qualified_name())
        self._kinds = event_codes(('fallback', *filter(None, config.events)))
        self.pre_roll = PreRoll(config.before, config.memory // 3, lasting=True)
        self.listener = TopicListener(node, contract, config.topics, self.pre_roll)
        self.recording: Recording | None = None
        self._ending = False
        self._notes: list[str] = []
        self._further = 0  # events of the snapshot, but for its first
        self._waiting: list[EpisodeEvent] = []  # events since the end of its tail
        self.problem, self.written = '', 0

    def hear(self, event: EpisodeEvent) -> None:
        """Begin a snapshot with an event, or go on with the one that is being written."""
        if event.kind not in self._kinds:
            return
        if self.recording is None:
            self._begin(event)
        elif not self._ending:
            self._extend(event)
        elif len(self._waiting) < _NAMED:
            self._waiting.append(event)

    def watch(self) -> None:
        """End the snapshot when its time is over; to be called a few times a second."""
        recording = self.recording
        if recording is not None and not self._ending and self._is_over(recording):
            # The disk gets its time for what waits, while this thread stays free to stop.
            self._ending = True
            self.listener.release()
        if recording is not None and self._ending and not recording.waiting:
            self._close(recording)

    def finish(self, why: str, patience: float = math.inf) -> None:
        """End the snapshot before its time.

        Args:
            why: In words.
            patience: How long what waits for the disk may take [s]; the rest is lost.
        """
        recording = self.recording
        if recording is None:
            return
        if not self._ending:
            self._notes.append(f'ended early: {why}')
        self._waiting.clear()
        self._close(recording, patience)

    def shortcoming(self) -> str:
        """What stands in the way of whole snapshots, in words; empty if nothing."""
        return self.problem or self._room.gone() or self._cut()

    def _begin(self, event: EpisodeEvent) -> None:
        notes = '\n'.join(filter(None, (describe(event), self._cut())))
        open_writer = partial(
            EpisodeWriter,
            self._root,
            episode_id(EVENT_KINDS[event.kind]),
            self._contract,
            namespace=self._node.get_namespace(),
            notes=notes,
        )
        # What is taken over from before the event waits for the disk, too.
        queue = self._config.memory - self._config.memory // 3
        try:
            self._room.require()
            self.recording = self.listener.begin(queue, open_writer)
        except (IlRosError, OSError) as problem:
            self._fail(f'no snapshot of "{event.text}": {problem}')
            return
        self.problem, self._ending, self._further = '', False, 0
        self._reason, self._notes = event.text[:_TEXT] or EVENT_KINDS[event.kind], []
        self._latest = time.monotonic() + self._config.max_duration
        self._prolong()
        self._node.get_logger().info(f'snapshot {self.recording.writer.path.name}: {self._reason}')

    def _extend(self, event: EpisodeEvent) -> None:
        self._further += 1
        if self._further < _NAMED:
            self._notes.append(describe(event))
        self._prolong()

    def _prolong(self) -> None:
        self._until = min(time.monotonic() + self._config.after, self._latest)

    def _is_over(self, recording: Recording) -> bool:
        early = str(recording.problem or '') or self._room.gone()
        if early:
            self._notes.append(f'ended early: {early}')
            self._fail(f'{recording.writer.path.name} ended early: {early}')
        return bool(early) or time.monotonic() >= self._until

    def _close(self, recording: Recording, patience: float = math.inf) -> None:
        self.recording = None
        self.listener.release()
        if self._further >= _NAMED:
            self._notes.append(f'{self._further - _NAMED + 1} further events')
        notes = '\n'.join(self._notes)
        try:
            path = recording.close('unknown', self._reason, notes=notes, patience=patience)
            self.written += 1
            self._rotation.mark(path)
            self._rotation.rotate(self._config.keep, path)
        except (IlRosError, OSError) as problem:
            self._fail(f'{recording.writer.path.name}: {problem}')
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self.hear(event)

    def _cut(self) -> str:
        topics = ', '.join(self.pre_roll.cut)
        told = f'memory is too small for all the seconds of {topics} before an event'
        return told if topics else ''

    def _fail(self, text: str) -> None:
        self.problem = text
        self._node.get_logger().warning(text)


def event_codes(names: tuple[str, ...]) -> frozenset[int]:
    """The kinds of events of these names, as EpisodeEvent has them.

    Raises:
        IlRosError: If there is no such kind.
    """
    unknown = [name for name in names if name not in EVENT_KINDS]
    if unknown:
        raise IlRosError(f'got {", ".join(unknown)}', where='parameter events', allowed=EVENT_KINDS)
    return frozenset(EVENT_KINDS.index(name) for name in names)


def describe(event: EpisodeEvent) -> str:
    """One line: the stamp of the frame that caused the event, its kind and its text."""
    stamp = event.header.stamp
    return f'frame {stamp.sec}.{stamp.nanosec:09d}: {EVENT_KINDS[event.kind]}: {event.text[:_TEXT]}'
