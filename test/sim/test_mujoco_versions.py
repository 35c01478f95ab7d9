from importlib.metadata import PackageNotFoundError

import pytest

from il_ros.core.errors import IlRosError
from il_ros.sim import mujoco_versions
from il_ros.sim.mujoco_versions import pinned_mujoco, require_metaworld, require_simulator
from il_ros.sim.world import World

NEEDS = ['gymnasium>=1.1', 'mujoco==3.3.0', 'pyquaternion==0.9.5; extra == "testing"']
FIX = 'to fix: run make metaworld, and then .venv-metaworld/bin/il_ros'


def install(monkeypatch, **versions):
    def version(name):
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(mujoco_versions, 'version', version)
    monkeypatch.setattr(mujoco_versions, 'requires', lambda name: NEEDS)


def test_metaworld_beside_the_mujoco_that_it_pins_is_named_with_it(monkeypatch):
    install(monkeypatch, metaworld='3.1.1', mujoco='3.3.0')
    assert require_metaworld() == 'metaworld 3.1.1, mujoco 3.3.0'


def test_metaworld_that_is_not_there_is_missed_with_what_to_run(monkeypatch):
    install(monkeypatch, mujoco='4.0.0')
    with pytest.raises(IlRosError) as caught:
        require_metaworld()
    assert str(caught.value) == f'metaworld: metaworld is not installed here; {FIX}'


def test_metaworld_beside_our_mujoco_is_refused(monkeypatch):
    install(monkeypatch, metaworld='3.1.1', mujoco='4.0.0')
    with pytest.raises(IlRosError) as caught:
        require_metaworld()
    assert str(caught.value) == f'metaworld 3.1.1: MuJoCo 4.0.0; allowed: 3.3.0; {FIX}'


def test_the_simulator_is_not_started_on_metaworlds_mujoco(monkeypatch):
    install(monkeypatch, metaworld='3.1.1', mujoco='3.3.0')
    with pytest.raises(IlRosError) as caught:
        World('reach')
    assert str(caught.value) == (
        'simulator: MuJoCo 3.3.0; allowed: 4 or newer; to fix: use the environment of make setup; '
        "MetaWorld's is for its tasks and for training"
    )


@pytest.mark.parametrize('found', ['4.0.0', '5.1', '10.0.0'])
def test_the_simulator_takes_every_newer_mujoco(monkeypatch, found):
    install(monkeypatch, mujoco=found)
    require_simulator()


@pytest.mark.parametrize(
    ('line', 'pinned'),
    [('mujoco==3.3.0', '3.3.0'), ('mujoco == 3.3.0 ; x', '3.3.0'), ('mujoco-py==2.1', None)],
)
def test_the_pin_is_read_from_the_requirements(line, pinned):
    assert pinned_mujoco(['numpy>=1.18', line]) == pinned
