"""CDR bytes of made-up messages, by rosbags, which shares no code with the package."""

import numpy as np
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_JAZZY)


def make(kind, /, **fields):
    return STORE.types[kind](**fields)


def header(stamp=0, frame_id='base'):
    time = make('builtin_interfaces/msg/Time', sec=stamp // 10**9, nanosec=stamp % 10**9)
    return make('std_msgs/msg/Header', stamp=time, frame_id=frame_id)


def cdr(kind, /, *, little=True, stamp=0, frame_id='base', **fields):
    message = make(kind, header=header(stamp, frame_id), **fields)
    return bytes(STORE.serialize_cdr(message, kind, little_endian=little))


def plain(kind, /, *, little=True, **fields):
    """A message without a header."""
    return bytes(STORE.serialize_cdr(make(kind, **fields), kind, little_endian=little))


def xyz(kind, numbers):
    """A geometry_msgs type of three or four numbers."""
    names = 'xyzw'[: len(numbers)]
    return make(f'geometry_msgs/msg/{kind}', **dict(zip(names, numbers, strict=True)))


def joints(name=('c', 'a', 'b'), position=(3.0, 1.0, 2.0), velocity=(), effort=(), **options):
    return cdr(
        'sensor_msgs/msg/JointState',
        name=list(name),
        position=np.array(position, float),
        velocity=np.array(velocity, float),
        effort=np.array(effort, float),
        **options,
    )


def pose(quaternion, position=(1.0, 2.0, 3.0), **options):
    point = make('geometry_msgs/msg/Point', **dict(zip('xyz', position, strict=True)))
    turn = make('geometry_msgs/msg/Quaternion', **dict(zip('xyzw', quaternion, strict=True)))
    both = make('geometry_msgs/msg/Pose', position=point, orientation=turn)
    return cdr('geometry_msgs/msg/PoseStamped', pose=both, **options)


def image(pixels, encoding='rgb8', *, padding=0, big=0, stamp=0):
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    return cdr(
        'sensor_msgs/msg/Image',
        stamp=stamp,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=big,
        step=rows.shape[1],
        data=rows.reshape(-1),
    )


def compressed(blob, name='jpeg', stamp=0):
    data = np.frombuffer(blob, np.uint8)
    return cdr('sensor_msgs/msg/CompressedImage', stamp=stamp, format=name, data=data)
