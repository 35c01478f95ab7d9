"""Where the tool and the body of an arm are."""

import numpy as np
import pytest

from il_ros.core.arm_geometry import Geometry
from il_ros.core.robots.franka import FRANKA

ARM = Geometry.of_arm(FRANKA)


def postures(count=20):
    rng = np.random.default_rng(0)
    return rng.uniform(FRANKA.position_min, FRANKA.position_max, (count, 8))


def test_the_tool_is_where_the_chain_has_it():
    q = postures()
    wanted = [FRANKA.chain.forward(row[:7])[0] for row in q]
    np.testing.assert_allclose(ARM.tools(q), wanted, atol=1e-12)
    np.testing.assert_allclose(ARM.outline(q)[:, 0], wanted, atol=1e-12)


def test_each_point_belongs_to_a_part_and_has_a_radius():
    assert ARM.outline(postures(3)).shape == (3, len(ARM.parts), 3)
    assert ARM.radius.shape == (len(ARM.parts),)
    assert (ARM.parts[0], ARM.radius[0]) == ('tool centre point', 0.0)
    assert (ARM.parts[1], ARM.parts[-1]) == ('fr3_link1', 'fr3_fingers')
    assert np.all((ARM.radius[1:] > 0.02) & (ARM.radius[1:] < 0.07))


def test_the_gripper_does_not_move_the_arm():
    assert ARM.moves.tolist() == [True] * 7 + [False]


@pytest.mark.parametrize('rows', [1, 7])
def test_any_number_of_postures_at_once(rows):
    q = postures(rows)
    each = np.concatenate([ARM.outline(row[None]) for row in q])
    np.testing.assert_allclose(ARM.outline(q), each, atol=1e-12)
