"""Which observations and cameras a robot has besides its joints, as streams of a contract."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from il_ros.contracts.draft_text import Anchored
from il_ros.contracts.joint_sources import WANTED, stamped_rate
from il_ros.contracts.seen_robot import SeenRobot
from il_ros.core.cdr import header_frame, header_stamp
from il_ros.core.decoders import Composite, decoder_for, is_framed
from il_ros.core.errors import IlRosError
from il_ros.core.images import compressed_bytes, decode, raw_image
from il_ros.core.seen_graph import SeenGraph, SeenTopic, listed
from il_ros.core.streams import COMPRESSED_IMAGE, IMAGE

POSE, WRENCH = 'geometry_msgs/msg/PoseStamped', 'geometry_msgs/msg/WrenchStamped'
_TOOL = re.compile(r'tcp|tool|ee_|_ee|eef|end_effector|current_pose|flange', re.IGNORECASE)
_WORDS = {
    'camera', 'color', 'rgb', 'image', 'raw', 'rect', 'compressed', 'pose', 'wrench', 'stamped',
}  # fmt: skip
_TRANSPORTS = ('compressed', 'compressedDepth', 'theora', 'ffmpeg', 'zstd')
_SMALL = 96  # pixels of the shorter side that a policy gets
_NICE = (
    1, 2, 3, 4, 5, 6, 8, 10, 12.5, 15, 20, 25, 30, 40, 50, 60, 75, 80, 90, 100, 120, 125, 150, 200,
    240, 250, 300, 400, 500, 600, 800, 1000,
)  # fmt: skip
_NEAR = 0.06  # of a nice rate that a measured one may be away from it
_UNCLEAR = 0.02


@dataclass(frozen=True, kw_only=True)
class DraftedStream:
    """One entry of `observations` or `images`.

    Attributes:
        key: Its key.
        values: What stands there, by name.
        doubts: What is not sure, by name.
    """

    key: str
    values: Mapping[str, Any]
    doubts: Mapping[str, str] = field(default_factory=dict)

    def naming(self, names: Anchored) -> DraftedStream:
        """The same with its joints' names written in another way."""
        return replace(self, values={**self.values, 'names': names})


def nominal_rate(rate: float) -> tuple[float, str]:
    """The rate that a measured one [Hz] stands for, and the doubt about it."""
    if rate <= 0.0:
        return 0.0, ''
    nice = min(_NICE, key=lambda value: abs(math.log(value / rate)))
    off = abs(nice - rate) / nice
    if off > _NEAR:
        return round(rate, 1), f'{rate:.1f} Hz were measured'
    return float(nice), f'{rate:.1f} Hz were measured' if off > _UNCLEAR else ''


def tick_rate(rate: float, wanted: float) -> float:
    """The rate of ticks nearest to the wanted one that divides a measured rate [Hz]."""
    if rate <= wanted:
        return rate
    parts = [rate / k for k in range(1, math.ceil(2 * rate / wanted) + 1)]
    whole = [part for part in parts if math.isclose(part * 10, round(part * 10))]
    return min(whole or parts, key=lambda part: abs(math.log(part / wanted)))


def relative(name: str, namespace: str) -> str:
    """A topic's name in a namespace, as a contract has it."""
    start = f'/{namespace.strip("/")}/' if namespace.strip('/') else '/'
    return name.removeprefix(start).lstrip('/')


def key_of(topic: str, default: str, taken: Iterable[str] = ()) -> str:
    """A key from the telling words of a topic's name: `/cam_high/color/image_raw` is `cam_high`."""
    parts = [part for part in topic.split('/') if part]
    telling = [part for part in parts if not set(part.lower().split('_')) <= _WORDS]
    key = re.sub(r'\W+', '_', '_'.join(telling) or default)
    key = key if key[:1].isalpha() else f'{default}_{key}'
    taken = set(taken)
    numbered = (f'{key}_{number}' for number in range(2, 1000))
    return key if key not in taken else next(name for name in numbered if name not in taken)


def frame_of(topic: SeenTopic) -> str:
    """The frame that the last kept message of a topic names; empty for none."""
    try:
        return header_frame(topic.samples[-1].data) if topic.samples else ''
    except IlRosError:
        return ''


def tool_pose(robot: SeenRobot) -> tuple[SeenTopic | None, str]:
    """The topic of the tool's measured pose, and the doubt about it."""
    poses = [topic for topic in robot.seen.of_type(POSE) if topic.count > 1]
    named = [topic for topic in poses if _TOOL.search(topic.name)]
    measured = [topic for topic in named if not WANTED.search(topic.name)]
    return _one_of(measured, 'poses of tools')


def wrench(robot: SeenRobot) -> tuple[SeenTopic | None, str]:
    """The topic of the wrench at the wrist, and the doubt about it."""
    links = robot.description.links if robot.description else frozenset()
    found = [topic for topic in robot.seen.of_type(WRENCH) if topic.count > 1]
    found = [topic for topic in found if not WANTED.search(topic.name)]
    found.sort(key=lambda topic: ('raw' in topic.name, frame_of(topic) not in links))
    return _one_of(found, 'wrenches')


def _one_of(topics: Sequence[SeenTopic], what: str) -> tuple[SeenTopic | None, str]:
    if not topics:
        return None, ''
    others = listed(topic.name for topic in topics[1:])
    return topics[0], f'one of several {what}; also there: {others}' if others else ''


def framed_stream(
    seen: SeenGraph, topic: SeenTopic, key: str, *, namespace: str, base_frame: str, doubt: str = ''
) -> DraftedStream:
    """The stream of a pose, a point, a twist or a wrench."""
    decoder = decoder_for(topic.type)
    parts = tuple(decoder.parts) if isinstance(decoder, Composite) else ()
    rate, unclear = nominal_rate(_rate(seen, topic))
    values: dict[str, Any] = {
        'topic': relative(topic.name, namespace), 'type': topic.type, 'fields': parts, 'rate': rate,
    }  # fmt: skip
    doubts = {'topic': doubt, 'rate': unclear}
    frame_id = frame_of(topic)
    if is_framed(decoder) and frame_id != base_frame:
        values['frame_id'] = frame_id
        if not frame_id:
            doubts['frame_id'] = 'its messages name no frame'
    return DraftedStream(key=key, values={**values, **timing(rate)}, doubts=doubts)


def _rate(seen: SeenGraph, topic: SeenTopic) -> float:
    """The rate by the driver's stamps where it stamps, else by when messages came [Hz]."""
    if not decoder_for(topic.type).stamped:
        return seen.rate(topic)
    try:
        stamps = np.array([header_stamp(sample.data) for sample in topic.samples], np.int64)
    except IlRosError:
        return seen.rate(topic)
    return stamped_rate(stamps) or seen.rate(topic)


def timing(rate: float) -> dict[str, Any]:
    """`align`, where the default does not do for a rate [Hz]."""
    if 0.0 < rate < 10.0:
        return {'align': {'max_age': round(2.5 / rate, 2)}}
    return {} if rate else {'align': {'strategy': 'hold'}}


def cameras(seen: SeenGraph, namespace: str) -> list[DraftedStream]:
    """The cameras: raw topics, and compressed ones where there is no raw one."""
    raw = [topic for topic in seen.of_type(IMAGE) if topic.samples]
    names = {topic.name for topic in raw}
    packed = [
        topic
        for topic in seen.of_type(COMPRESSED_IMAGE)
        if topic.samples
        and topic.name.rpartition('/')[0] not in names
        and topic.name.rpartition('/')[2] not in _TRANSPORTS[1:]
    ]
    found: list[DraftedStream] = []
    for topic in (*raw, *packed):
        name = topic.name.removesuffix('/compressed')
        key = key_of(relative(name, namespace), 'camera', (stream.key for stream in found))
        found += _camera(seen, topic, key, namespace)
    return found


def _camera(seen: SeenGraph, topic: SeenTopic, key: str, namespace: str) -> Iterable[DraftedStream]:
    doubts: dict[str, str] = {}
    try:
        encoding, height, width = _picture(topic)
    except IlRosError as problem:
        encoding, height, width = 'rgb8', 480, 640
        doubts['size'] = f'its image is not understood: {problem}'
    less = max(1, round(min(height, width) / _SMALL))
    rate, doubts['rate'] = nominal_rate(seen.rate(topic))
    values = {
        'topic': relative(topic.name, namespace),
        'type': topic.type,
        'encoding': encoding,
        'size': (max(1, height // less), max(1, width // less)),
        'source_size': (height, width),
        'rate': rate or 30.0,
    }
    if topic.type == IMAGE and encoding != '16UC1':
        values['record'] = 'jpeg'
    yield DraftedStream(key=key, values=values, doubts=doubts)


def _picture(topic: SeenTopic) -> tuple[str, int, int]:
    """What a consumer gets of a camera's images, and their height and width."""
    data = topic.samples[0].data
    if topic.type == COMPRESSED_IMAGE:
        height, width = decode(compressed_bytes(data), 'rgb8').shape[:2]
        return 'rgb8', height, width
    encoding, pixels = raw_image(data)
    height, width = pixels.shape[:2]
    if encoding in ('16UC1', 'mono16', '32FC1'):
        return '16UC1', height, width
    return 'mono8' if encoding in ('mono8', '8UC1') else 'rgb8', height, width
