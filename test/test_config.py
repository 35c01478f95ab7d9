"""What ships in config/ is read by what it is for."""

from pathlib import Path

import pytest

from il_ros.cli.evaluate import load_perturbations
from il_ros.core.contract import load_contract
from il_ros.sim.randomisation import load_randomisation
from il_ros.sim.tasks import TASKS
from il_ros.sim.world import World

CONFIG = Path(__file__).parents[1] / 'config'
SUITES = sorted(CONFIG.glob('suites/*.yaml'))
RANDOMISATIONS = sorted(CONFIG.glob('randomisation/*.yaml'))


@pytest.mark.parametrize('task', list(TASKS))
def test_every_task_has_a_contract_and_a_suite(task):
    contract = load_contract(CONFIG / f'contracts/franka_{task}.yaml')
    assert contract.name == f'franka_{task}'
    world = World(task, limits=contract.limits, rate=contract.rate, arm=contract.arm)
    assert set(contract.observations) <= set(world.observe())
    assert CONFIG / f'suites/{task}.yaml' in SUITES


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
