from pathlib import Path

import pytest

from il_ros.core.contract import load_contract

CONFIG = Path(__file__).parents[3] / 'config'


@pytest.fixture(scope='session')
def contract():
    return load_contract(CONFIG / 'contracts/franka_reach.yaml')
