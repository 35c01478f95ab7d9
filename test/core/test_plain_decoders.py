import numpy as np
import pytest
from cdr_messages import cdr, make, plain
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.decoders import decoder_for
from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.plain_decoders import PLAIN_DECODERS
from il_ros.core.streams import Alignment, Stream, check_stream

SCALARS = {
    'Float64': (-1.5, 'f8'), 'Float32': (0.25, 'f4'), 'Bool': (True, 'u1'),
    'Int8': (-128, 'i1'), 'Int16': (-300, 'i2'), 'Int32': (-(2**31), 'i4'),
    'UInt8': (255, 'u1'), 'UInt16': (65535, 'u2'), 'UInt32': (2**32 - 1, 'u4'),
    'UInt64': (2**40, 'u8'), 'Byte': (100, 'u1'), 'Char': (65, 'u1'), 'Int64': (-(2**40), 'i8'),
}  # fmt: skip
TEXTS = ('pick up the cube', 'open the drawer')


def array(number, values, *, offset=0, dimensions=(), little=True):
    layout = make(
        'std_msgs/msg/MultiArrayLayout',
        dim=[
            make('std_msgs/msg/MultiArrayDimension', label=label, size=1, stride=1)
            for label in dimensions
        ],
        data_offset=offset,
    )
    kind = f'std_msgs/msg/{number}MultiArray'
    data = np.array(values, SCALARS[number][1])
    return plain(kind, layout=layout, data=data, little=little)


def joy(axes, buttons, little=True):
    return cdr(
        'sensor_msgs/msg/Joy',
        axes=np.array(axes, np.float32),
        buttons=np.array(buttons, np.int32),
        little=little,
    )


def text(words):
    return plain('std_msgs/msg/String', data=words)


@pytest.mark.parametrize('little', [True, False])
@pytest.mark.parametrize('name', SCALARS)
def test_a_scalar_is_its_number(name, little):
    decoder = decoder_for(f'std_msgs/msg/{name}')
    data = plain(f'std_msgs/msg/{name}', data=SCALARS[name][0], little=little)
    assert decoder.decode(data, ('data',), ()).tolist() == [float(SCALARS[name][0])]
    assert decoder.size(('data',), ()) == 1
    with pytest.raises(IlRosError, match='ends early'):
        decoder.decode(data[:4], ('data',), ())


@given(
    name=st.sampled_from(sorted(SCALARS.keys() - {'Bool', 'Char'})),
    labels=st.lists(st.text('ab', max_size=5), max_size=3),
    little=st.booleans(),
)
def test_an_array_has_a_number_for_each_name(name, labels, little):
    decoder = decoder_for(f'std_msgs/msg/{name}MultiArray')
    value = SCALARS[name][0]
    data = array(name, [value, 0, 1], dimensions=labels, little=little)
    assert decoder.decode(data, ('data',), ('x', 'y', 'z')).tolist() == [float(value), 0, 1]


def test_an_array_of_another_length_is_refused_and_an_offset_left_out():
    decoder = decoder_for('std_msgs/msg/Float64MultiArray')
    names = ('x', 'y')
    assert decoder.decode(array('Float64', [9, 9, 1, 2], offset=2), ('data',), names).tolist() == [
        1,
        2,
    ]
    for values in ([], [1], [1, 2, 3]):
        with pytest.raises(IlRosError) as caught:
            decoder.decode(array('Float64', values), ('data',), names)
        assert str(caught.value) == (
            f'{len(values)} numbers in data; allowed: 2, as the contract names; '
            "to fix: correct the contract's names or the driver"
        )
    many = array('Float64', [1, 2], dimensions=['a'] * 1001)
    with pytest.raises(IlRosError, match='1001 dimensions; allowed: up to 1000'):
        decoder.decode(many, ('data',), names)


@pytest.mark.parametrize('little', [True, False])
def test_a_gamepad_has_axes_and_buttons(little):
    decoder, data = decoder_for('sensor_msgs/msg/Joy'), joy([0.5, -1.0], [0, 1, 1], little)
    assert decoder.stamped
    assert decoder.decode(data, ('axes',), ('x', 'y')).tolist() == [0.5, -1.0]
    assert decoder.decode(data, ('buttons',), ('a', 'b', 'c')).tolist() == [0, 1, 1]
    with pytest.raises(IlRosError, match='3 numbers in buttons; allowed: 2'):
        decoder.decode(data, ('buttons',), ('a', 'b'))
    with pytest.raises(ContractError, match=r"got \['axes', 'buttons'\]; allowed: one of axes, bu"):
        decoder.check(('axes', 'buttons'), ('x', 'y'), 'here')


def test_an_instruction_is_which_of_the_texts_it_is():
    decoder = decoder_for('std_msgs/msg/String')
    assert decoder.decode(text(TEXTS[1]), ('data',), TEXTS).tolist() == [0, 1]
    with pytest.raises(IlRosError) as caught:
        decoder.decode(text('shut the door'), ('data',), TEXTS)
    assert str(caught.value) == (
        "text 'shut the door'; allowed: 'pick up the cube', 'open the drawer'; to fix: send one of "
        "these, or add it to the contract's names and train again"
    )
    with pytest.raises(ContractError) as refused:
        decoder.check(('data',), (), 'c.instruction')
    assert str(refused.value) == (
        'c.instruction.names: got []; allowed: each text that may come, once: a policy sees which '
        'of them it is'
    )


def test_only_what_is_continuous_has_something_between():
    zero, one = np.array([0.0]), np.array([1.0])
    for name in SCALARS:
        between = decoder_for(f'std_msgs/msg/{name}').blend(zero, one, 0.25, ('data',))
        assert between.tolist() == [0.25 if name.startswith('Float') else 0.0]
    joy_decoder = decoder_for('sensor_msgs/msg/Joy')
    assert joy_decoder.blend(zero, one, 0.25, ('axes',)).tolist() == [0.25]
    assert joy_decoder.blend(zero, one, 0.25, ('buttons',)).tolist() == [0.0]


@pytest.mark.parametrize('kind', [kind for kind in PLAIN_DECODERS if kind.startswith('std_msgs')])
def test_what_has_no_header_is_timed_by_its_receipt_alone(kind):
    names = () if kind.removeprefix('std_msgs/msg/') in SCALARS else ('a', 'b')
    stream = Stream(topic='t', type=kind, fields=('data',), names=names)
    with pytest.raises(ContractError, match=f'^c.x.align.time: {kind} has no header; allowed: rec'):
        check_stream(stream, 'c.x')
    received = Alignment(time='receive')
    check_stream(Stream(topic='t', type=kind, fields=('data',), names=names, align=received), 'c.x')


@given(kind=st.sampled_from([*PLAIN_DECODERS]), data=st.binary(max_size=80), whole=st.booleans())
def test_damaged_bytes_are_an_error_or_numbers_and_nothing_else(kind, data, whole):
    decoder = PLAIN_DECODERS[kind]
    fields = {'Joy': ('axes',), 'JointTrajectoryControllerState': ('error.effort',)}.get(
        kind.split('/')[-1], ('data',)
    )
    names = () if decoder.size(fields, ()) else ('a', 'b')
    try:
        values = decoder.decode(b'\0\1\0\0' + data if whole else data, fields, names)
    except IlRosError:
        return
    assert values.shape == (decoder.size(fields, names),)


def test_a_controller_s_state_is_read_by_joint():
    serialization = pytest.importorskip('rclpy.serialization')
    messages = pytest.importorskip('control_msgs.msg')
    points = pytest.importorskip('trajectory_msgs.msg')
    state = messages.JointTrajectoryControllerState(joint_names=['b', 'a'])
    state.reference = points.JointTrajectoryPoint(positions=[1.0, 2.0], velocities=[3.0, 4.0])
    state.feedback = points.JointTrajectoryPoint(positions=[5.0, 6.0])
    state.output = points.JointTrajectoryPoint(effort=[7.0, 8.0])
    state.header.stamp.sec = 3
    data = serialization.serialize_message(state)
    decoder = decoder_for('control_msgs/msg/JointTrajectoryControllerState')
    fields = ('feedback.positions', 'reference.velocities', 'output.effort')
    assert decoder.decode(data, fields, ('a', 'b')).tolist() == [6, 5, 4, 3, 8, 7]
    assert decoder.decode(data, ('reference.positions',), ('a',)).tolist() == [2]
    with pytest.raises(IlRosError, match=r'no joint c in the message; allowed: b, a'):
        decoder.decode(data, fields, ('a', 'c'))
    with pytest.raises(IlRosError, match=r'0 numbers in error.positions for 2 joints; to fix: lea'):
        decoder.decode(data, ('error.positions',), ('a',))
    with pytest.raises(ContractError, match=r'allowed: reference.positions, reference.velocities'):
        decoder.check(('reference',), ('a',), 'here')
