"""Checks before a recording starts: no episode begins without its required streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from il_ros.core import topics
from il_ros.core.contract import Contract
from il_ros.core.frames import NS
from il_ros.core.streams import ImageStream, Stream

STATUS_RATE = 10.0
"""How often a monitor that ticks tells its status at least [Hz]."""

_PERIODS = 3  # a slow stream is fresh for so many of its periods


@dataclass(frozen=True, kw_only=True)
class RequiredTopic:
    """A topic that an episode cannot do without.

    Attributes:
        topic: Absolute name.
        keys: Streams of the contract that it carries.
        max_age: From when on it is no longer fresh [s]; none if it comes only now and then.
    """

    topic: str
    keys: tuple[str, ...]
    max_age: float | None


def required_topics(
    contract: Contract, names: Mapping[str, str], fresh: float
) -> list[RequiredTopic]:
    """What the contract requires, and a monitor where only that tells what was commanded.

    Args:
        contract: The contract.
        names: Absolute name of each of its topics, and of the monitor's status.
        fresh: How old the newest message of a stream may be [s].
    """
    groups: dict[str, dict[str, Stream | ImageStream]] = defaultdict(dict)
    for key, stream in contract.inputs.items():
        if stream.required:
            groups[stream.topic][key] = stream
    needed = []
    for topic, streams in groups.items():
        rate = max(0.0 if stream.latched else stream.rate for stream in streams.values())
        age = max(fresh, _PERIODS / rate) if rate else None
        needed.append(RequiredTopic(topic=names[topic], keys=tuple(streams), max_age=age))
    if contract.action.demonstration is None:
        # Commands come only while a source drives; statuses show that the monitor still ticks.
        status = names[topics.MONITOR_STATUS]
        age = max(fresh, _PERIODS / min(STATUS_RATE, contract.rate))
        needed.append(RequiredTopic(topic=status, keys=('action',), max_age=age))
    return needed


def not_fresh(
    needed: Iterable[RequiredTopic], seen: Mapping[str, int], now_ns: int
) -> dict[str, float | None]:
    """The topics that are not fresh, with their age [s]; none for one that never came.

    Args:
        needed: What an episode needs.
        seen: When each topic's newest message came, on the node's clock [ns].
        now_ns: Time of the node's clock [ns].
    """
    stale: dict[str, float | None] = {}
    for need in needed:
        last = seen.get(need.topic)
        if last is None:
            stale[need.topic] = None
        # A clock that was set back makes ages negative; what came before that is not fresh.
        elif need.max_age is not None and abs(now_ns - last) > need.max_age * NS:
            stale[need.topic] = (now_ns - last) / NS
    return stale
