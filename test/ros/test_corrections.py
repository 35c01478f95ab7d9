"""A person corrects a policy in real time, with no simulator in lock-step: as on a physical arm."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from il_ros.msg import MonitorStatus
from teleop_place import CONFIG, CONTRACT, Place

from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.algorithms.chunks import chunk_samples
from il_ros.core.contract import load_contract
from il_ros.datasets.arrays import SOURCES
from il_ros.datasets.bags.reader import Reading
from il_ros.datasets.build import build_dataset
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.policies.bundle import load_bundle
from il_ros.policies.mlp import MlpConfig
from il_ros.rollouts.demonstrations import demonstrate

pytestmark = [pytest.mark.graph, pytest.mark.timeout(300)]
HORIZON, ANSWER = 8, 4  # steps of the policy, and of what teleop says by default
EXPERT, POLICY = SOURCES.index('expert'), SOURCES.index('policy')
TRAINING = BcConfig(
    policy=MlpConfig(hidden=(32, 32), horizon=HORIZON), epochs=40, batch=64, device='cpu'
)


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp('policy')
    save_dataset(demonstrate(load_contract(CONTRACT), 'reach', range(12)), folder / 'dataset')
    train_bundle(folder / 'dataset', folder / 'bundle', TRAINING)
    return folder / 'bundle'


@pytest.fixture(scope='module')
def corrected(bundle, domain, tmp_path_factory):
    """The bag of an episode in which a person takes the arm from the policy twice."""
    place = Place(tmp_path_factory.mktemp('corrections'))
    try:
        place.start('simulator')
        place.start('monitor', bundle=bundle, takeover_return=True, allow_uncalibrated=True)
        place.start('policy', bundle=bundle, device='cpu')
        place.start('recorder', directory=place.folder / 'episodes')
        place.pad()
        config = CONFIG / 'teleop/gamepad.yaml'
        place.start('teleop', device='joy', config=config, horizon=ANSWER, task='reach')
        place.hold()
        place.until_granted(mode=MonitorStatus.POLICY)
        place.wait(lambda: place.status.mode == MonitorStatus.POLICY)
        while 'start: ' not in place.log('teleop').read_text():
            place.press(6)
        for stick in (1.0, -1.0):
            place.take(lambda stick=stick: place.pad(10, x=stick), place.pad)
            since = place.stamp
            place.wait(lambda since=since: place.stamp > since + 800_000_000)
            place.pad()
            place.wait(lambda: place.status.mode == MonitorStatus.POLICY)
            since = place.stamp
            place.wait(lambda since=since: place.stamp > since + 500_000_000)
        place.press(12)
        place.wait(place.said('failure'))
        (bag,) = (place.folder / 'episodes').glob('[!.]*')
        return bag
    finally:
        place.close()


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    return tmp_path_factory.mktemp('built') / 'dataset'


@pytest.fixture(scope='module')
def dataset(corrected, built):
    return build_dataset(
        [corrected],
        built,
        outcomes=('failure',),
        reading=Reading(labels=HORIZON),
        jobs=1,
    )


def test_every_step_that_he_drove_is_in_the_dataset_once_with_what_he_wanted(dataset):
    driven = dataset.source == EXPERT
    assert (np.diff(driven.astype(int)) == 1).sum() == 2
    assert driven.sum() > 25
    assert len(set(dataset.stamp.tolist())) == dataset.frames
    assert labelled(dataset)[driven].all()


def labelled(dataset):
    return np.isfinite(dataset.label[:, :ANSWER]).all(axis=(1, 2))


def test_what_the_policy_did_is_no_demonstration(dataset):
    known, driven = chunk_samples(dataset, HORIZON).mask, dataset.source == EXPERT
    policys = (dataset.source == POLICY) & ~labelled(dataset)
    assert policys.sum() > 10
    assert not known[policys].any()
    assert known[driven, :ANSWER].all()
    # Where he drove on, what he did counts beyond what he said.
    on = np.array([driven[i : i + HORIZON].all() for i in range(dataset.frames - HORIZON)])
    assert on.sum() > 10
    assert known[: len(on)][on].all()
    assert not known[: len(on)][driven[: len(on)] & ~on].all(axis=1).any()


def test_a_policy_learns_from_it(dataset, built, tmp_path):
    training = replace(TRAINING, held_out=0.0)
    train_bundle(built, tmp_path / 'bundle', training)
    assert load_bundle(tmp_path / 'bundle').policy_id
