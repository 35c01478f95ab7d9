import pytest
from small_policies import make_reach_bundle


@pytest.fixture(scope='session')
def reach_bundle(tmp_path_factory):
    return make_reach_bundle(tmp_path_factory.mktemp('reach'))
