"""What a contract makes of the messages that were seen: the frames that the monitor would get."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from il_ros.core.cdr import NS
from il_ros.core.contract import Contract
from il_ros.core.decoders import OtherJointsError
from il_ros.core.errors import FrameIdError, IlRosError
from il_ros.core.frames import Frame, FrameBuilder, TopicDecoder, describe_invalid
from il_ros.core.limits import Array
from il_ros.core.seen_graph import SeenGraph, SeenSample, SeenTopic
from il_ros.monitors.joint_consistency import JointConsistency
from il_ros.monitors.tool_consistency import ToolConsistency

_FRAMES = 2  # at least, for a verdict on them


class ContractNames:
    """The absolute names of a contract's topics on a graph.

    Args:
        namespace: Of the nodes.
        remaps: Absolute or relative names in place of the contract's, as ROS remaps them.
    """

    def __init__(self, namespace: str = '/', remaps: Mapping[str, str] = {}) -> None:
        self._namespace = namespace.strip('/')
        self._remaps = {self._whole(name): self._whole(to) for name, to in remaps.items()}

    def absolute(self, name: str) -> str:
        """The name on the graph."""
        whole = self._whole(name)
        return self._remaps.get(whole, whole)

    def _whole(self, name: str) -> str:
        if name.startswith('/'):
            return name
        return f'/{self._namespace}/{name}' if self._namespace else f'/{name}'


@dataclass(kw_only=True)
class KeyRecord:
    """What came of one observation.

    Attributes:
        errors: How often a message gave no value, by the reason.
        misplaced: How often one was in another coordinate frame, by the reason.
        others: How often one was of other joints alone, by the reason.
        stamps: Header stamp of each value [ns].
        receives: When each was received [ns].
        values: Each value, shape (size,).
    """

    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    misplaced: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    others: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    stamps: list[int] = field(default_factory=list)
    receives: list[int] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)

    def kind(self, problem: IlRosError) -> dict[str, int]:
        """Where a problem is counted."""
        if isinstance(problem, FrameIdError):
            return self.misplaced
        return self.others if isinstance(problem, OtherJointsError) else self.errors

    def delays(self) -> NDArray[np.float64]:
        """From each stamp to its receipt [s]."""
        late: NDArray[np.int64] = np.array(self.receives) - np.array(self.stamps)
        return late / NS


@dataclass(kw_only=True)
class Replay:
    """What a contract made of what was seen.

    Attributes:
        keys: What came of each observation.
        frames: Those from the moment on from which every regular observation comes.
        invalid: How many frames lacked a required observation, by the reason.
        rate: Rate of the ticks [Hz]; 0 where there were too few.
        joints: How samples of joints contradict one another.
        tool: How often the tool was not where the joints put it, by the reason.
        tool_looked: Whether there was a pose to compare with.
    """

    keys: dict[str, KeyRecord]
    frames: list[Frame] = field(default_factory=list)
    invalid: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rate: float = 0.0
    joints: list[str] = field(default_factory=list)
    tool: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tool_looked: bool = False


def replay(contract: Contract, seen: SeenGraph, names: ContractNames) -> Replay:
    """Give messages that were seen to the contract's frame builder and to the monitor's checks.

    Args:
        contract: The contract, whose action is one of joints.
        seen: What was seen.
        names: Names of the contract's topics there.
    """
    groups = contract.by_topic(contract.observations)
    topics = {name: seen.topics.get(names.absolute(name)) for name in groups}
    made = Replay(keys={key: KeyRecord() for key in contract.observations})
    decoders = {
        name: TopicDecoder(
            {k: contract.streams[k] for k in keys},
            contract.base_frame,
            continuous=contract.continuous,
        )
        for name, keys in groups.items()
        if (topic := topics[name]) is not None and topic.types == {contract.streams[keys[0]].type}
    }
    run = _Run(contract, made, simulated=seen.simulated)
    present = {name: topic for name, topic in topics.items() if topic is not None}
    end = _end(contract, groups, present)
    for name, sample in _merged({name: present[name] for name in decoders}):
        if sample.receive <= end:
            run.take(decoders[name], sample)
    run.finish()
    return made


def _end(
    contract: Contract, groups: Mapping[str, list[str]], topics: Mapping[str, SeenTopic]
) -> int:
    """Until when all messages of every regular stream were kept [ns]."""
    cut = [
        topic.samples[-1].receive
        for name, topic in topics.items()
        if topic.count > len(topic.samples) > 0
        and any(contract.streams[key].rate for key in groups[name])
    ]
    return min(cut, default=np.iinfo(np.int64).max)


def _merged(topics: Mapping[str, SeenTopic]) -> Iterable[tuple[str, SeenSample]]:
    """All samples by receipt; those of a topic in their order, also where a clock went back."""
    every = [
        (receive, name, sample)
        for name, topic in topics.items()
        for receive, sample in zip(
            accumulate((sample.receive for sample in topic.samples), max),
            topic.samples,
            strict=True,
        )
    ]
    return [(name, sample) for _, name, sample in sorted(every, key=itemgetter(0))]


class _Run:
    """One pass over the messages."""

    def __init__(self, contract: Contract, made: Replay, *, simulated: bool) -> None:
        self._contract, self._made, self._simulated = contract, made, simulated
        self._builder = FrameBuilder(contract)
        self._now = 0
        streams = contract.observations.items()
        self._awaited = {key for key, stream in streams if stream.rate and stream.required}
        self._joints = JointConsistency(contract, lambda: self._now / NS)
        self._tool = ToolConsistency(contract)
        made.tool_looked = self._tool.looks

    def take(self, decoder: TopicDecoder, sample: SeenSample) -> None:
        stamp, values, errors = decoder.decode(sample.data, sample.receive)
        # Simulated time goes as fast as it likes; when a message came says nothing in it.
        receive = stamp if self._simulated and stamp > 0 else sample.receive
        self._now = receive
        for key, problem in errors.items():
            record = self._made.keys[key]
            record.kind(problem)[str(problem)] += 1
            self._give(self._builder.reject(key, problem, now=receive))
        for key, value in values.items():
            record = self._made.keys[key]
            record.stamps.append(stamp)
            record.receives.append(sample.receive)
            record.values.append(value)
            self._joints.add(key, value, stamp, receive)
            self._give(self._builder.add(key, value, header=stamp, receive=receive))
        self._awaited -= values.keys()
        self._made.joints += [t for t in self._joints.problems() if t not in self._made.joints]

    def finish(self) -> None:
        stamps = [frame.stamp for frame in self._made.frames]
        if len(stamps) >= _FRAMES and stamps[-1] > stamps[0]:
            self._made.rate = (len(stamps) - 1) * NS / (stamps[-1] - stamps[0])

    def _give(self, frames: Iterable[Frame]) -> None:
        made, contract = self._made, self._contract
        for frame in frames:
            self._tool.look(frame)
            if not self._awaited:
                made.frames.append(frame)
                for text in self._tool.problems():
                    made.tool[text.partition(': one of them')[0]] += 1
                for text in describe_invalid(contract, frame, self._builder.rejected):
                    made.invalid[text.partition(': ')[0]] += 1
