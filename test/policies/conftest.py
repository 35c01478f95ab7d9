import pytest
from follower import Follower


@pytest.fixture(scope='session')
def follower():
    return Follower
