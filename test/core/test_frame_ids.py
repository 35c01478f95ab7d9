"""A coordinate frame is what the header says, not what is hoped for."""

import numpy as np
import pytest
from cdr_messages import cdr, joints, make, pose

from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, FrameIdError, IlRosError
from il_ros.core.frames import NS, FrameBuilder, TopicDecoder, describe_invalid
from il_ros.core.geometry import matrix_about

MS = NS // 1000
TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: position
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [a], rate: 20.0}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [a]}
  goal: {topic: goal, type: geometry_msgs/msg/PoseStamped, align: {strategy: hold},
         fields: [pose.position, pose.orientation]}
  wrench: {topic: wrench, type: geometry_msgs/msg/WrenchStamped, frame_id: tool0, required: false,
           fields: [wrench.force, wrench.torque]}
  touch: {topic: touch, type: geometry_msgs/msg/PointStamped, fields: [point], frame_id: '',
          required: false}
action:
  names: [a]
  position: [position]
  velocity: [speed]
  limits: {position_min: [-1], position_max: [1], velocity: [1], acceleration: [1], jerk: [1]}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""
CONTRACT = parse_contract(TEXT)
NOTHING_TURNED = (0.0, 0.0, 0.0, 1.0)


def vector(x, y, z):
    return make('geometry_msgs/msg/Vector3', x=float(x), y=float(y), z=float(z))


def wrench(frame_id, force=(1, 2, 3), torque=(4, 5, 6)):
    both = make('geometry_msgs/msg/Wrench', force=vector(*force), torque=vector(*torque))
    return cdr('geometry_msgs/msg/WrenchStamped', wrench=both, stamp=NS, frame_id=frame_id)


def point(frame_id):
    where = make('geometry_msgs/msg/Point', x=1.0, y=2.0, z=3.0)
    return cdr('geometry_msgs/msg/PointStamped', point=where, stamp=NS, frame_id=frame_id)


class Known:
    """A quarter turn about z and a shift from `camera` to any frame but `nowhere`."""

    def __init__(self):
        self.asked = []

    def transform(self, target, source, stamp):
        self.asked.append((target, source, stamp))
        if source != 'camera':
            raise IlRosError(f'tf2 knows no {source}')
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = matrix_about(2, np.pi / 2), (10.0, 20.0, 30.0)
        return matrix


def decoded(key, data, transforms=None):
    return TopicDecoder({key: CONTRACT.streams[key]}, CONTRACT.base_frame, transforms).decode(
        data, received=7
    )


@pytest.mark.parametrize(
    ('key', 'data'),
    [
        ('goal', pose(NOTHING_TURNED, frame_id='base')),
        ('wrench', wrench('tool0')),
        ('touch', point('')),
        ('position', joints('a', [0.5], frame_id='')),
        ('position', joints('a', [0.5], frame_id='anything')),  # joints are in no frame
    ],
)
def test_the_frame_of_the_contract_is_taken_as_it_is(key, data):
    known = Known()
    _, values, errors = decoded(key, data, known)
    assert (list(values), errors, known.asked) == ([key], {}, [])


@pytest.mark.parametrize(
    ('key', 'data', 'text'),
    [
        (
            'goal',
            pose(NOTHING_TURNED, frame_id='camera'),
            "in frame 'camera'; allowed: 'base'; to fix: say frame_id: camera in the contract",
        ),
        ('goal', pose(NOTHING_TURNED, frame_id='/base'), "in frame '/base'; allowed: 'base'"),
        ('goal', pose(NOTHING_TURNED, frame_id='left/base'), "in frame 'left/base'; allowed"),
        (
            'goal',
            pose(NOTHING_TURNED, frame_id=''),
            "it names no frame: header.frame_id is empty; allowed: 'base'; to fix: let its driver",
        ),
        ('wrench', wrench('base'), "in frame 'base'; allowed: 'tool0'"),
        ('touch', point('base'), "in frame 'base'; allowed: ''"),
        ('goal', pose(NOTHING_TURNED, frame_id='x' * 10_000), "in frame 'xxxx"),
    ],
)
def test_another_frame_is_refused_with_both_names(key, data, text):
    _, values, errors = decoded(key, data)
    assert values == {}
    assert isinstance(errors[key], FrameIdError)
    assert str(errors[key]).startswith(text)
    assert len(str(errors[key])) < 400


def test_a_known_transform_takes_a_pose_to_the_contracts_frame():
    half, known = np.sqrt(0.5), Known()
    about_x = (half, 0.0, 0.0, half)
    data = pose(about_x, (1.0, 2.0, 3.0), stamp=5 * NS, frame_id='camera')
    _, values, errors = decoded('goal', data, known)
    assert (errors, known.asked) == ({}, [('base', 'camera', 5 * NS)])
    # (1, 2, 3) turned a quarter about z is (-2, 1, 3); the turns are multiplied by hand.
    np.testing.assert_allclose(values['goal'][:3], [8, 21, 33])
    np.testing.assert_allclose(values['goal'][3:], [0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize(
    ('align', 'measured'),
    [
        ('{time: header}', 5 * NS),
        ('{time: header, latency: 0.03}', 5 * NS - 30 * MS),
        ('{time: receive}', 9 * NS),  # its stamp cannot be trusted
        ('{time: receive, latency: 0.03}', 9 * NS - 30 * MS),
    ],
)
def test_the_transform_is_that_of_when_the_sample_was_measured(align, measured):
    streams = parse_contract(TEXT.replace('{strategy: hold}', align)).streams
    known = Known()
    data = pose(NOTHING_TURNED, stamp=5 * NS, frame_id='camera')
    _, _, errors = TopicDecoder({'goal': streams['goal']}, 'base', known).decode(data, 9 * NS)
    assert (errors, known.asked) == ({}, [('base', 'camera', measured)])


def test_a_wrench_is_turned_but_stays_that_of_the_sensors_point():
    _, values, _ = decoded('wrench', wrench('camera'), Known())
    np.testing.assert_allclose(values['wrench'], [-2, 1, 3, -5, 4, 6])


def test_a_transform_that_is_not_known_is_said_so_and_none_leads_to_no_frame():
    _, values, errors = decoded('goal', pose(NOTHING_TURNED, frame_id='moon'), Known())
    assert values == {}
    assert str(errors['goal']).startswith("in frame 'moon': tf2 knows no moon; allowed: 'base'")
    known = Known()
    _, values, errors = decoded('touch', point('camera'), known)
    assert (values, known.asked) == ({}, [])


def test_what_came_before_a_wrong_frame_is_void_too_until_a_right_one_comes():
    """A goal is held for ever, but not the old one where a new one cannot be read."""
    builder = FrameBuilder(CONTRACT)

    def tick(number):
        stamp = NS + number * 50 * MS
        builder.add('speed', np.zeros(1), header=stamp, receive=stamp)
        frames = builder.add('position', np.zeros(1), header=stamp, receive=stamp)
        return (frames or builder.poll(stamp + NS))[-1]

    builder.add('goal', np.zeros(7), header=NS, receive=NS)
    assert tick(0).valid['goal']
    _, _, errors = decoded('goal', pose(NOTHING_TURNED, frame_id='camera'))
    builder.reject('goal', errors['goal'], now=NS + 10 * MS)
    frame = tick(1)
    (text,) = describe_invalid(CONTRACT, frame, builder.rejected)
    assert text.startswith("goal (goal): none that can be used (in frame 'camera'; allowed: 'base'")
    builder.add('goal', np.zeros(7), header=NS + 60 * MS, receive=NS + 60 * MS)
    assert describe_invalid(CONTRACT, tick(2), builder.rejected) == []


def test_other_errors_leave_what_was_measured_before():
    builder = FrameBuilder(CONTRACT)
    builder.add('goal', np.zeros(7), header=NS, receive=NS)
    builder.reject('goal', IlRosError('damaged'), now=NS)
    (frame,) = builder.add('position', np.zeros(1), header=NS, receive=NS)
    assert frame.valid['goal']


@pytest.mark.parametrize(
    ('before', 'after', 'text'),
    [
        ('frame_id: tool0', 'frame_id: /tool0', "observations.wrench.frame_id: got '/tool0'; all"),
        ('names: [a], rate', 'names: [a], frame_id: base, rate', 'allowed: none for this type'),
    ],
)
def test_a_frame_that_cannot_be_is_refused(before, after, text):
    with pytest.raises(ContractError, match=text):
        parse_contract(TEXT.replace(before, after))


def test_the_default_is_the_base_and_changes_no_hash():
    assert [CONTRACT.frame_of(key) for key in CONTRACT.observations] == [
        'base', 'base', 'base', 'tool0', ''
    ]  # fmt: skip
