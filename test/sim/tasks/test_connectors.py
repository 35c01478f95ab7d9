"""Connectors: every peg fits its hole with the clearance that is said, at one turn or more."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from il_ros.sim.tasks.connectors import CONNECTORS, HANDLE, SEATED, add_hole, add_peg
from il_ros.sim.tasks.task import upright

CLEARANCE = 0.0005
# Turns at which a peg fits, other than straight [rad].
ALIKE = {
    'round': (0.4, np.pi / 2, np.pi),
    'square': (np.pi / 2, np.pi),
    'rectangular': (np.pi,),
    'd_shaped': (),
    'two_pronged': (np.pi,),
}


@pytest.fixture(scope='module', params=list(CONNECTORS))
def fitted(request):
    """The connector's name, and a function: how deep peg and hole overlap at a place and turn."""
    spec = mujoco.MjSpec()
    plug = spec.worldbody.add_body(name='object')
    plug.add_freejoint()
    plug.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=HANDLE, mass=0.1)
    add_peg(plug, request.param)
    add_hole(spec.worldbody.add_body(name='socket'), request.param, CLEARANCE)
    model = spec.compile()
    data = mujoco.MjData(model)

    def overlap(x, y, z, turn=0.0):
        data.qpos[:] = upright((x, y, z), turn)[[0, 1, 2, 6, 3, 4, 5]]
        mujoco.mj_forward(model, data)
        return max((-float(contact.dist) for contact in data.contact), default=0.0)

    return request.param, overlap


def test_a_peg_has_its_clearance_on_every_side(fitted):
    _, overlap = fitted
    for angle in np.linspace(0.0, 2 * np.pi, 16, endpoint=False):
        x, y = np.cos(angle), np.sin(angle)
        assert overlap(0.9 * CLEARANCE * x, 0.9 * CLEARANCE * y, SEATED + 0.001) == 0.0
        assert overlap(3 * CLEARANCE * x, 3 * CLEARANCE * y, SEATED + 0.001) > 0.0005


def test_the_handle_comes_to_rest_on_the_socket(fitted):
    _, overlap = fitted
    assert overlap(0.0, 0.0, SEATED + 1e-4) == 0.0
    assert overlap(0.0, 0.0, SEATED - 1e-4) == pytest.approx(1e-4, abs=1e-5)


@pytest.mark.parametrize('turn', [0.4, np.pi / 2, np.pi])
def test_only_what_looks_alike_fits_at_another_turn(fitted, turn):
    name, overlap = fitted
    fits = overlap(0.0, 0.0, SEATED + 0.001, turn) < 1e-6
    assert fits == (turn in ALIKE[name])


def test_a_peg_that_is_a_little_aside_meets_the_bevel_and_not_the_top(fitted):
    _, overlap = fitted
    # 1.5 mm aside, 1 mm of which are beyond the clearance: it meets the bevel 1 mm deeper.
    assert overlap(0.0, 0.0015, SEATED + 0.03 - 0.001) < 1e-6
    assert overlap(0.0, 0.0015, SEATED + 0.03 - 0.0025) > 1e-4
