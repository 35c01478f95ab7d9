"""What ships in config/ is read by what it is for."""

from pathlib import Path

import numpy as np
import pytest

from il_ros.core.arms import ArmPair, arm_of, get_arm
from il_ros.core.contract import load_contract
from il_ros.core.driver_description import read_driver
from il_ros.sim.perturbations import load_perturbations
from il_ros.sim.randomisation import load_randomisation
from il_ros.sim.tasks import TASKS, default_arm, make_task
from il_ros.sim.world import World

CONFIG = Path(__file__).parents[1] / 'config'
CONTRACTS = sorted(
    path  # MetaWorld's have no arm; test/rollouts/test_metaworld.py reads them
    for path in CONFIG.glob('contracts/*.yaml')
    if not path.stem.startswith('metaworld')
)
ROBOTS = {  # with a contract for the stand-in of their driver
    'ur10e': 'ur',
    'fr3': 'franka',
    'xarm7': 'xarm',
    'gen3': 'kinova',
    'so101': 'so101',
    'aloha': 'aloha',
}
OF_DRIVERS = [path for path in CONTRACTS if path.stem.split('_')[0] in ROBOTS]
SUITES = sorted(CONFIG.glob('suites/*.yaml'))
RANDOMISATIONS = sorted(CONFIG.glob('randomisation/*.yaml'))


@pytest.mark.parametrize('task', list(TASKS))
def test_every_task_has_a_contract_and_a_suite(task):
    assert CONFIG / f'contracts/{default_arm(task)}_{task}.yaml' in CONTRACTS
    assert CONFIG / f'suites/{task}.yaml' in SUITES


@pytest.mark.parametrize(
    'path',
    [path for path in CONTRACTS if path not in OF_DRIVERS],
    ids=lambda path: path.stem,
)
def test_every_contract_fits_its_arm_and_its_task(path):
    contract = load_contract(path)
    assert contract.name == path.stem
    arm, task = get_arm(contract.arm), path.stem.removeprefix(contract.arm)[1:]
    task = task or ('bimanual_handover' if isinstance(arm, ArmPair) else 'reach')
    world = World(task, limits=contract.limits, rate=contract.rate, arm=contract.arm)
    for key, stream in contract.observations.items():
        assert world.observe()[key].shape == (stream.size,)
    for name in ('velocity', 'acceleration', 'jerk', 'position_max'):
        assert np.all(getattr(contract.limits, name) <= getattr(arm, name)), name
    assert np.all(contract.limits.position_min >= arm.position_min)


@pytest.mark.parametrize('path', OF_DRIVERS, ids=lambda path: path.stem)
def test_every_contract_of_a_driver_fits_what_the_driver_has(path):
    contract, robot = load_contract(path), path.stem.split('_')[0]
    driver = read_driver(CONFIG / f'drivers/{ROBOTS[robot]}.yaml')
    arm = arm_of(contract)
    assert contract.name == path.stem
    assert sorted(arm.names) == sorted(contract.action.names)
    for limb in arm.limbs:
        for name, position in zip(limb.names, limb.home, strict=True):
            assert position == driver.home[name]
    joints = driver.joint_states
    other = {one.topic: one for one in (*driver.tools, *driver.wrenches)}
    task = path.stem.removeprefix(f'{robot}_')
    others = (
        {'goal_position', *(f'{name}_pose' for name in make_task(task).observed)}
        if task in TASKS
        else set()
    )
    for key, stream in contract.observations.items():
        if stream.names:
            assert (stream.topic, stream.rate) in {(one.topic, one.rate) for one in joints}
            source = [one for one in joints if one.prefix == stream.prefix]
            assert {*stream.sent_names} <= {name for one in source for name in one.names}
        elif stream.topic in other:
            assert stream.rate == other[stream.topic].rate
            assert contract.frame_of(key) == other[stream.topic].frame_id
        else:
            assert key in others
    takes = {one.topic: one for one in driver.controllers if one.active and one.takes != 'nothing'}
    for output in contract.outputs:
        controller = takes[output.topic]
        assert output.prefix == controller.prefix
        assert list(output.joints) == [output.prefix + name for name in controller.joints]
        assert output.adapter == controller.takes


@pytest.mark.parametrize('path', SUITES, ids=lambda path: path.stem)
def test_every_perturbation_fits_its_task(path):
    world = World(next((task for task in TASKS if path.stem.startswith(task)), 'pick_place'))
    for perturbations in load_perturbations(path).values():
        world.reset(0, perturbations)
        assert not world.state().done


@pytest.mark.parametrize('path', RANDOMISATIONS, ids=lambda path: path.stem)
def test_every_randomisation_fits_its_task(path):
    world = World(path.stem if path.stem in TASKS else 'pick_place')
    randomisation = load_randomisation(path)
    for seed in range(3):
        world.reset(seed, randomisation.draw(seed))
        assert not world.state().done
