"""Episode bags made up at once, for what reads bags."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from geometry_msgs.msg import PointStamped, PoseStamped, WrenchStamped
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from il_ros.bags import EpisodeWriter
from il_ros.core.contract import Contract, load_contract, parse_contract
from il_ros.ros.message_conversion import chunk_message
from il_ros.ros.recorded_topics import definition_of

CONTRACT = Path(__file__).parents[1] / 'config/contracts/franka_pick_place.yaml'
NS = 1_000_000_000
_IN_BASE = Header(frame_id='base')


def with_cameras(count: int, side: int = 128, rate: float = 30.0) -> Contract:
    """The pick_place contract with square cameras."""
    text = load_contract(CONTRACT).text
    cameras = [
        f'  camera{i}: {{topic: camera{i}/image, size: [{side}, {side}], rate: {rate}}}'
        for i in range(count)
    ]
    block = '\n'.join(['images:', *cameras, '', 'action:']) if count else 'action:'
    return parse_contract(text.replace('\naction:', f'\n{block}'))


def make_bag(
    root: Path, seconds: float, *, contract: Contract | None = None, sensor_rate: float = 20.0
) -> tuple[Path, int]:
    """An episode of the pick_place contract; gives its folder and how many messages it has.

    Args:
        root: Folder that the episode goes to.
        seconds: How long it lasts [s].
        contract: May have cameras.
        sensor_rate: Rate of joint_states; half of it is that of the wrench, if above 20 [Hz].
    """
    contract = contract or load_contract(CONTRACT)
    writer = EpisodeWriter(root, f'episode_{len(list(root.glob("*")))}', contract)
    for stream in contract.inputs.values():
        writer.add_topic(f'/{stream.topic}', stream.type)
    kind = 'il_ros/msg/ActionChunk'
    writer.add_topic(f'/{contract.action.executed}', kind, definition_of(kind))
    timed = sorted(_messages(contract, seconds, sensor_rate), key=lambda item: item[0])
    for stamp, topic, data in timed:
        stamped = data[:4] + struct.pack('<iI', *divmod(stamp, NS)) + data[12:]
        writer.write(f'/{topic}', stamped, stamp)
    return writer.close('success'), len(timed)


def smooth_image(seed: int, side: int = 128) -> np.ndarray:
    """Random shapes that compress about as a camera's image does, uint8 (side, side, 3)."""
    rough = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    return cv2.normalize(cv2.GaussianBlur(rough, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)


def _messages(
    contract: Contract, seconds: float, sensor_rate: float
) -> Iterator[tuple[int, str, bytes]]:
    joints = [*contract.action.names, 'fr3_finger_joint2']
    values = [0.1] * len(joints)
    state = JointState(name=joints, position=values, velocity=values, effort=values)
    rows = np.mean(contract.action_range, axis=0)[None]
    command = chunk_message(contract, rows, stamp=0, source='expert')
    plan = [
        ('joint_states', sensor_rate, serialize_message(state)),
        ('wrench', max(20.0, sensor_rate / 2), serialize_message(WrenchStamped(header=_IN_BASE))),
        ('tcp_pose', 20.0, serialize_message(PoseStamped(header=_IN_BASE))),
        ('object_pose', 20.0, serialize_message(PoseStamped(header=_IN_BASE))),
        ('goal_position', 20.0, serialize_message(PointStamped(header=_IN_BASE))),
        (contract.action.executed, 20.0, serialize_message(command)),
    ]
    for i, image in enumerate(contract.images.values()):
        pixels = smooth_image(i, image.size[0])
        message = Image(height=image.size[0], width=image.size[1], encoding='rgb8')
        message.step = 3 * image.size[1]
        message.data.frombytes(pixels.tobytes())
        plan.append((image.topic, image.rate, serialize_message(message)))
    for topic, rate, data in plan:
        for i in range(int(seconds * rate)):
            yield NS + round(i * NS / rate), topic, data
