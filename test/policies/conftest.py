import json
import shutil

import pytest
from follower import Follower
from made_bundles import CHANNELS, make_bundle, make_limit

from il_ros.policies.bundle_writer import save_bundle, save_threshold

SOME = [('knn', 'knn', 'embedding'), ('deviation', 'deviation', 'observation'), *CHANNELS]


@pytest.fixture(scope='session')
def follower():
    return Follower


@pytest.fixture(scope='session')
def whole(task, tmp_path_factory):
    """A calibrated bundle that nobody changes."""
    folder = tmp_path_factory.mktemp('whole') / 'bundle'
    bundle = make_bundle(task, SOME)
    save_bundle(bundle, folder)
    save_threshold(folder, bundle, make_limit(task, bundle, varying=False))
    return folder


@pytest.fixture
def copied(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / 'bundle')


@pytest.fixture(scope='module')
def scratch(whole, tmp_path_factory):
    """A copy for a test that writes the same file anew in each of many cases."""
    return shutil.copytree(whole, tmp_path_factory.mktemp('scratch') / 'bundle')


@pytest.fixture(scope='module')
def info(whole):
    return json.loads((whole / 'bundle.json').read_text())
