"""Episodes: when one may begin, when it has to end, and what is said of it."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from rclpy.serialization import deserialize_message, serialize_message

from il_ros.action import RecordEpisode
from il_ros.bags.episode_info import Outcome
from il_ros.bags.episode_writer import EpisodeWriter
from il_ros.bags.mcap_file import Storage
from il_ros.core import topics
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError, require
from il_ros.core.frames import NS
from il_ros.msg import EpisodeEvent, MonitorStatus
from il_ros.ros.disk_space import DiskSpace
from il_ros.ros.kept_samples import PreRoll
from il_ros.ros.managed_node import ManagedNode
from il_ros.ros.message_conversion import fill_stamp, to_duration
from il_ros.ros.message_loss import RawSample
from il_ros.ros.node_parameters import setting
from il_ros.ros.output_folder import output_folder
from il_ros.ros.qos import EVENTS
from il_ros.ros.recording import Recording
from il_ros.ros.recording_preconditions import required_topics
from il_ros.ros.topic_listener import TopicListener

_GIB = 1 << 30
_MOST = float(1 << 50)
# What is on its way at the start is waited for: nodes may have only just found one another.
_PATIENCE = 1.0  # s
_QUIET, _LONGEST_WAY = 0.02, 0.1  # s
_LONGEST = 86400.0  # s
_COMPRESSIONS = ('none', 'zstd')
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""In the order of the constants of srv/StopEpisode.srv."""
_MODES = {
    MonitorStatus.IDLE: 'nobody (idle)',
    MonitorStatus.HOLD: 'the monitor (hold)',
    MonitorStatus.POLICY: 'the policy',
    MonitorStatus.EXPERT: 'the expert',
    MonitorStatus.ALARM: 'the monitor (alarm)',
    MonitorStatus.FALLBACK: 'the monitor (fallback)',
}


@dataclass(frozen=True, kw_only=True)
class RecorderConfig:
    """Parameters of the recorder node."""

    contract: str = setting('', 'Contract file: its topics are recorded.')
    directory: str = setting(output_folder('episodes'), 'Folder that the episodes go to.')
    topics: tuple[str, ...] = setting(
        ('',), 'Further topics to record, absolute or relative; their types come from the graph.'
    )
    fresh: float = setting(
        1.0,
        'Largest age of the newest message of each required stream at the start of an episode, on '
        "the node's clock [s]; 0 starts without looking.",
        low=0.0,
        high=3600.0,
    )
    pre_roll: float = setting(
        0.0, 'How much from before its start an episode has [s].', low=0.0, high=600.0
    )
    pre_roll_bytes: int = setting(
        _GIB // 4, 'Largest size of what is kept for it [bytes].', low=0, high=_MOST
    )
    queue_bytes: int = setting(
        _GIB // 2, 'Largest size of what waits for the disk [bytes].', low=1 << 20, high=_MOST
    )
    max_duration: float = setting(
        600.0, 'Longest episode, where its start names none [s].', low=1.0, high=_LONGEST
    )
    max_size: int = setting(
        0, 'Largest episode: it ends there [bytes]; 0 for no limit.', low=0, high=_MOST
    )
    max_file_size: int = setting(
        Storage.max_file_size,
        'Size at which the next file of a bag begins [bytes]; 0 for one.',
        low=0,
        high=_MOST,
    )
    chunk_size: int = setting(
        Storage.chunk_size,
        'Size at which a chunk of the bag ends [bytes].',
        low=1 << 10,
        high=1 << 30,
    )
    reserve: int = setting(
        Storage.reserve,
        'Room kept to end an episode with on a full disk [bytes].',
        low=0,
        high=_GIB,
    )
    compression: str = setting(Storage.compression, 'Of the chunks of the bag: none or zstd.')
    min_free: int = setting(
        _GIB, 'Room on the disk at which an episode ends [bytes].', low=0, high=_MOST
    )


class RecordingSession:
    """Records one episode after the other.

    Args:
        node: Whose names, clock and log are used.
        contract: What is recorded, and what an episode needs.
        config: The node's parameters.
    """

    def __init__(self, node: ManagedNode, contract: Contract, config: RecorderConfig) -> None:
        self._node, self._contract, self._config = node, contract, config
        self._root = Path(config.directory).absolute()
        self._room = DiskSpace(self._root, config.min_free)
        self._room.warn_of_crash(node)
        compression = config.compression
        require(compression in _COMPRESSIONS, compression, 'parameter compression', _COMPRESSIONS)
        self._storage = Storage(
            compression=cast(Any, compression),
            chunk_size=config.chunk_size,
            max_file_size=config.max_file_size,
            reserve=config.reserve,
        )
        names = [stream.topic for stream in contract.inputs.values()]
        names.append(topics.MONITOR_STATUS)
        resolved = {name: node.resolve_topic_name(name) for name in names}
        self._needed = required_topics(contract, resolved, config.fresh) if config.fresh else []
        self._events = node.resolve_topic_name(topics.EVENTS)
        self._status = resolved[topics.MONITOR_STATUS]
        self._publisher = node.create_publisher(EpisodeEvent, topics.EVENTS, EVENTS)
        pre_roll = PreRoll(config.pre_roll, config.pre_roll_bytes)
        self.listener = TopicListener(node, contract, config.topics, pre_roll)
        self.listener.follow(self._status)
        self.recording: Recording | None = None
        self._warned = False
        self._by_itself = ''

    def start(self, task: str, seed: int, notes: str, max_duration: float) -> tuple[Path, str]:
        """Begin an episode; gives the folder of its bag, and a warning if there is reason for one.

        Raises:
            IlRosError: If one is being recorded, a required stream is not fresh, or there is not
                enough room on the disk.
        """
        if self.recording is not None:
            raise IlRosError(
                f'{self.recording.writer.path.name} is being recorded', fix='stop it first'
            )
        allowed = f'0 (the parameter of that name) to {_LONGEST:.0f} s'
        require(0.0 <= max_duration <= _LONGEST, max_duration, 'max_duration', allowed)
        warning = self._room.require()
        self.listener.look()
        self._require_fresh()
        recording = self._begin(task, seed, notes)
        self._deadline = max_duration or self._config.max_duration
        self._warned, self._by_itself = bool(warning), ''
        self._robot_start = self.listener.now()
        self._say(EpisodeEvent.START, f'{recording.writer.path.name}; {self._in_control()}')
        return recording.writer.path, warning

    def stop(self, outcome: Outcome, reason: str, **ending: Any) -> RecordEpisode.Result:
        """End the episode, when what waits for the disk is there; gives what became of it.

        Args:
            outcome: How it ended.
            reason: Why it ended so.
            ending: Further arguments of `Recording.close`.

        Raises:
            IlRosError: If none is being recorded.
            DatasetError: If the disk refuses.
        """
        recording = self.recording
        if recording is None:
            before = f'; the last one ended by itself, {self._by_itself}' if self._by_itself else ''
            raise IlRosError(f'no episode is being recorded{before}', fix='start one first')
        missed = self._say(EpisodeEvent.STOP, f'{outcome}; {reason}' if reason else outcome)
        self._settle(recording)
        self.listener.release()
        if missed is not None:
            recording.take(missed)
        duration = recording.elapsed
        robot = (self.listener.now() - self._robot_start) / NS
        self.recording = None
        path = recording.close(outcome, reason, **ending)
        return RecordEpisode.Result(
            success=True,
            message='; '.join(recording.complaints(robot)),
            path=str(path),
            messages=recording.writer.messages,
            duration=to_duration(duration),
            outcome=OUTCOMES.index(outcome),
            reason=reason,
            lost=recording.lost,
        )

    def finish(self, reason: str, patience: float = math.inf) -> RecordEpisode.Result:
        """End the episode by itself, for a reason that `why_end` gave; raises as `stop` does."""
        self._by_itself = f'{self.recording.writer.path.name}: {reason}' if self.recording else ''
        return self.stop('unknown', reason, patience=patience)

    def why_end(self) -> str:
        """Why the episode has to end now; empty if it has not to."""
        recording = self.recording
        if recording is None:
            return ''
        if recording.problem is not None:
            return str(recording.problem)
        if recording.elapsed > self._deadline:
            return 'time limit of the recording'
        if self._config.max_size and recording.writer.bytes >= self._config.max_size:
            return 'size limit of the recording'
        return self._disk_low()

    @property
    def free(self) -> int:
        """Room on the disk of the episodes [bytes]."""
        return self._room.free

    def _begin(self, task: str, seed: int, notes: str) -> Recording:
        open_writer = partial(
            EpisodeWriter,
            self._root,
            episode_id(task, seed),
            self._contract,
            namespace=self._node.get_namespace(),
            task=task,
            seed=seed,
            notes=notes,
            storage=self._storage,
        )
        self.recording = self.listener.begin(self._config.queue_bytes, open_writer)
        return self.recording

    def _disk_low(self) -> str:
        gone = self._room.gone()
        if not gone and not self._warned and (short := self._room.short()):
            self._warned = True
            self._node.get_logger().warning(short)
        return gone

    def _require_fresh(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while stale := self.listener.stale(self._needed):
            if time.monotonic() > deadline:
                keys = {need.topic: ', '.join(need.keys) for need in self._needed}
                text = '; '.join(f'{name} ({keys[name]}): {why}' for name, why in stale.items())
                raise IlRosError(
                    f'not fresh: {text}', fix='start what publishes them, or set fresh to 0'
                )
            time.sleep(0.01)

    @staticmethod
    def _settle(recording: Recording) -> None:
        """Wait for what was published before the end and is on its way; not for what goes on."""
        deadline, before = time.monotonic() + _LONGEST_WAY, -1
        while (received := recording.received) != before and time.monotonic() < deadline:
            before = received
            time.sleep(_QUIET)

    def _say(self, kind: int, text: str) -> RawSample | None:
        """Publish an event; gives it if it did not come back, and so is not in the bag yet."""
        now = self._node.get_clock().now().nanoseconds
        data = serialize_message(fill_stamp(EpisodeEvent(kind=kind, text=text), now))
        came = self.listener.await_message(
            self._events, data, lambda: self._publisher.publish(data)
        )
        return None if came else RawSample(self._events, data, time.time_ns())

    def _in_control(self) -> str:
        data = self.listener.newest(self._status)
        if not data:
            return 'in control: not known, no monitor'
        mode = deserialize_message(data, MonitorStatus).mode
        return f'in control: {_MODES.get(mode, mode)}'


def episode_id(task: str, seed: int | None = None) -> str:
    """A name that sorts by time and is not taken twice."""
    now = datetime.now(UTC)
    label = re.sub(r'[^A-Za-z0-9]+', '_', task)[:80] or 'episode'
    suffix = '' if seed is None else f'_{seed}'
    return f'{now:%Y%m%dT%H%M%S}.{now.microsecond:06d}_{label}{suffix}'
