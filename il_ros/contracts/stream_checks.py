"""Whether each observation and camera of a contract comes as it says."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from il_ros.contracts.check_findings import (
    SHARE,
    CheckInput,
    Finding,
    Problem,
    fine,
    most_frequent,
    split_error,
    unseen,
    wrong,
)
from il_ros.contracts.contract_replay import KeyRecord
from il_ros.contracts.seen_streams import frame_of
from il_ros.core.errors import IlRosError
from il_ros.core.images import ImageDecoder
from il_ros.core.seen_graph import SeenTopic, listed, rate_of
from il_ros.core.streams import ImageStream, Stream, TopicStream

_SLOW = 0.8  # of the rate that a contract names, below which a stream is too slow
_RATES = 3  # messages that a rate is told from
_TICKS = 0.05  # of the contract's rate that ticks may be away from it
_LATE = 2.0  # s that a stamp may be from its receipt before it is of another clock


def check_observations(given: CheckInput) -> Iterable[Finding]:
    """One line for each observation."""
    for key, stream in given.contract.observations.items():
        subject = f'observations.{key}'
        problem = (
            _unheard(given, stream) or _unread(given, key, stream) or _slow(given, key, stream)
        )
        if problem is not None:
            yield wrong(subject, problem)
            continue
        topic, record = given.topic(stream), given.replay.keys[key]
        rate = f'{given.seen.rate(topic):.1f} Hz' if topic and topic.rate else 'now and then'
        moved = ', taken to the frame of the contract by tf2' if record.misplaced else ''
        yield fine(subject, f'{given.names.absolute(stream.topic)}, {rate}{moved}')


def check_images(given: CheckInput) -> Iterable[Finding]:
    """One line for each camera."""
    for key, stream in given.contract.images.items():
        subject, topic = f'images.{key}', given.topic(stream)
        problem = _unheard(given, stream)
        if problem is None and topic is not None:
            problem = _no_picture(stream, topic)
        rate = given.seen.rate(topic) if topic is not None else 0.0
        if problem is None and 0 < rate < _SLOW * stream.rate:
            problem = (
                f'{rate:.1f} Hz, the contract expects {stream.rate:g}',
                'correct the rate, or let the camera send more',
            )
        if problem is not None:
            yield wrong(subject, problem)
        elif topic is not None:
            yield fine(subject, f'{topic.name}, {rate:.1f} Hz')


def check_ticks(given: CheckInput) -> Iterable[Finding]:
    """Whether ticks come at the contract's rate, with all that they need."""
    made, wanted = given.replay, given.contract.rate
    count = len(made.frames)
    text, lacking = most_frequent(made.invalid)
    if not made.rate:
        yield unseen('rate', 'too few ticks with every observation')
    elif lacking > SHARE * count + 1:
        fix = 'see the lines of the observations; a slow stream may need a larger align.max_age'
        yield wrong('rate', (f'{lacking} of {count} ticks lack {text}', fix))
    elif abs(made.rate - wanted) > (_TICKS + 1.0 / count) * wanted:  # a tick may be cut off
        fix = f'set rate to one that divides the rate of {given.contract.clock}'
        yield wrong('rate', (f'ticks at {made.rate:.1f} Hz, the contract wants {wanted:g}', fix))
    else:
        yield fine('rate', f'{count} ticks at {made.rate:.1f} Hz')


def check_time(given: CheckInput) -> Iterable[Finding]:
    """Whether stamps are of the clock that the nodes will run by."""
    record = given.replay.keys[given.contract.clock]
    if not record.stamps:
        yield unseen('use_sim_time', 'no stamps')
        return
    late = float(np.median(np.abs(record.delays())))
    simulated, away = given.seen.simulated, late > _LATE
    if simulated and not away and given.seen.live:
        fix = 'start the driver with use_sim_time:=true, or end who publishes /clock'
        text = 'somebody publishes /clock, and the driver stamps by the machine'
        yield wrong('use_sim_time', (text, fix))
    elif simulated:
        yield fine('use_sim_time', 'simulated time: start all nodes with use_sim_time:=true')
    elif away:
        fix = 'synchronise the clocks (chrony, PTP), or start the simulator that sets the time'
        text = f'stamps are {late:.1f} s away from their receipt, and nobody publishes /clock'
        yield wrong('use_sim_time', (text, fix))
    else:
        yield fine('use_sim_time', f'the time of the machine, stamps {late:.3f} s old')


def _unheard(given: CheckInput, stream: TopicStream) -> Problem | None:
    """Why no message of a stream can come."""
    name, topic = given.names.absolute(stream.topic), given.topic(stream)
    if topic is None or not topic.publishers:
        there = listed(t.name for t in given.seen.of_type(stream.type)) or 'none'
        fix = f'start its driver, or correct the topic; topics of this type: {there}'
        return f'nobody publishes {name}', fix
    if topic.types != {stream.type}:
        kinds = listed(sorted(topic.types))
        return f'{name} is {kinds}, not {stream.type}', 'correct the type or the topic'
    count, most = len(topic.publishers), given.contract.most_publishers(stream.topic)
    if count > most and given.seen.live:
        nodes = listed(sorted(offer.node for offer in topic.publishers))
        text = f'{name}: {count} publishers ({nodes}), the contract expects {most}'
        share = f'where each publishes joints of its own, set publishers: {count}'
        return text, f'end the other node; {share}'
    if stream.latched and not all(offer.latched for offer in topic.publishers):
        text = f'{name}: latched, and a publisher offers volatile: nothing would come'
        return text, 'leave latched out, or let its driver publish transient local'
    if not topic.count and stream.rate:
        return f'{name}: published, but nothing came', 'is its driver connected to the robot?'
    return None


def _unread(given: CheckInput, key: str, stream: Stream) -> Problem | None:
    """Why messages give no value."""
    record = given.replay.keys[key]
    bad, count = most_frequent(record.errors)
    if record.misplaced and not _turned(given, stream):
        bad, count = most_frequent(record.misplaced)
    elif record.others and not record.values:  # else somebody tells them on the same topic
        bad, count = most_frequent(record.others)
    total = count + len(record.values)
    if count and count > SHARE * total:
        text, fix = split_error(IlRosError(bad), 'correct the contract or the driver')
        return f'{count} of {total} messages: {text}', fix
    return _not_finite(record)


def _not_finite(record: KeyRecord) -> Problem | None:
    bad = sum(not np.isfinite(value).all() for value in record.values)
    if not bad or bad <= SHARE * len(record.values):
        return None
    fix = 'leave the field or the joint out of the contract, or let the driver measure it'
    return f'{bad} of {len(record.values)} messages are not finite', fix


def _turned(given: CheckInput, stream: Stream) -> bool:
    """Whether tf2 can take a stream's messages to the frame that the contract wants."""
    topic, wanted = given.topic(stream), stream.frame_in(given.contract.base_frame)
    links = given.description.links if given.description else frozenset()
    return topic is not None and {wanted, frame_of(topic)} <= links


def _slow(given: CheckInput, key: str, stream: Stream) -> Problem | None:
    record, topic = given.replay.keys[key], given.topic(stream)
    if not stream.rate or len(record.receives) < _RATES:
        return None
    rate = rate_of(len(record.receives), record.receives[0], record.receives[-1])
    if topic is not None and len(record.receives) == len(topic.samples):
        rate = topic.rate
    rate /= given.seen.speed
    if rate >= _SLOW * stream.rate:
        return None
    text = f'{rate:.1f} Hz, the contract expects {stream.rate:g}'
    return text, f'set rate: {rate:.0f}, or let the driver publish faster'


def _no_picture(stream: ImageStream, topic: SeenTopic) -> Problem | None:
    for sample in topic.samples[:1]:
        try:
            ImageDecoder(stream).pixels(sample.data)
        except IlRosError as problem:
            return split_error(problem, 'correct encoding and source_size')
    return None
