"""Commands as Interbotix' driver takes them, and back."""

import numpy as np
import pytest
import yaml

pytest.importorskip('interbotix_xs_msgs')

from il_ros.core.contract import parse_contract
from il_ros.core.errors import IlRosError
from il_ros.monitors.plan import Planner
from il_ros.ros.output_adapters import make_output
from il_ros.sim.controller import TrajectoryController
from test.core.test_joint_prefix import RAW, data


@pytest.fixture(scope='module')
def parts():
    """What the driver of the right arm sees, and its gripper's part."""
    content = data()
    names = content['action']['names']
    content['action']['outputs'] = [
        {
            'joints': joints, 'prefix': f'{side}_', 'adapter': f'joint_{kind}_command',
            'topic': f'follower_{side}/commands/joint_{kind}',
        }
        for side, at in (('left', 0), ('right', 7))
        for kind, joints in (('group', names[at : at + 6]), ('single', names[at + 6 : at + 7]))
    ]  # fmt: skip
    contract = parse_contract(yaml.safe_dump(content, sort_keys=False))
    assert contract.setpoints
    return [contract.part(output) for output in contract.outputs[2:]]


def moving(part):
    """A plan on its way, and where it is at the next tick."""
    planner = Planner(part.limits)
    middle = (part.limits.position_min + part.limits.position_max) / 2
    plan = planner.hold(middle, 0.0)
    plan = planner.towards(plan, 0.0, middle + 0.01, part.limits.velocity, part.period)
    return plan, plan.at(part.period)[0]


def test_each_servo_is_named_as_the_driver_names_it(parts):
    group, single = ((make_output(part), *moving(part)) for part in parts)
    message = group[0].message(group[1], 0.0, 5)
    assert message.name == 'arm'
    np.testing.assert_allclose(message.cmd, group[2], atol=1e-6)
    message = single[0].message(single[1], 0.0, 5)
    assert (message.name, message.cmd) == (RAW[6], pytest.approx(single[2][0], abs=1e-6))


def test_a_simulated_driver_moves_to_it_within_the_period(parts):
    for part in parts:
        output, (plan, wanted) = make_output(part), moving(part)
        controller = TrajectoryController(part.action.names, plan.at(0.0)[0], period=part.period)
        assert output.apply(output.message(plan, 0.0, 5), controller, 1.0) == 0
        reached = controller.positions(np.array([1.0 + part.period]))[0]
        np.testing.assert_allclose(reached, wanted, atol=1e-6)


def test_what_is_for_others_is_refused(parts):
    group, single = map(make_output, parts)
    for output, message in (
        (group, group.message_type(name='all', cmd=[0.0] * 6)),
        (group, group.message_type(name='arm', cmd=[0.0] * 7)),
        (single, single.message_type(name='waist', cmd=0.0)),
    ):
        with pytest.raises(IlRosError, match='allowed'):
            output.apply(message, None, 0.0)
