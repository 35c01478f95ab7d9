"""A person corrects a policy in real time, with no simulator in lock-step: as on a physical arm."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from il_ros.msg import ActionChunk, MonitorStatus
from rclpy.serialization import deserialize_message
from teleop_place import CONFIG, CONTRACT, Place

from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.algorithms.chunk_dataset import chunk_samples
from il_ros.bags.bag_reader import BagReadOptions, EpisodeReader
from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.frames import Frame
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_build import build_dataset
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.datasets.episode_arrays import SOURCES
from il_ros.policies.bundle import load_bundle
from il_ros.policies.mlp import MlpConfig
from il_ros.rollouts.demonstrations import demonstrate
from il_ros.ros.message_conversion import chunk_positions, to_ns

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(300)]
HORIZON, ANSWER = 8, 4  # steps of the policy, and of what teleop says by default
EXPERT, POLICY = SOURCES.index('expert'), SOURCES.index('policy')
TRAINING = BcConfig(
    policy=MlpConfig(hidden_dims=(32, 32), horizon=HORIZON), epochs=40, batch_size=64, device='cpu'
)


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp('policy')
    save_dataset(demonstrate(load_contract(CONTRACT), 'reach', range(12)), folder / 'dataset')
    train_bundle(folder / 'dataset', folder / 'bundle', TRAINING)
    return folder / 'bundle'


@pytest.fixture(scope='module')
def place(bundle, domain, tmp_path_factory):
    """An arm that a policy drives, and a person next to it with a gamepad."""
    place = Place(tmp_path_factory.mktemp('corrections'))
    try:
        place.start('simulator')
        place.start('monitor', bundle=bundle, takeover_return=True, allow_uncalibrated=True)
        place.start('policy', bundle=bundle, device='cpu')
        place.start('recorder', directory=place.folder / 'episodes')
        place.pad()
        config = CONFIG / 'teleop/gamepad.yaml'
        place.start('teleop', device='joy', config=config, horizon=ANSWER, task='reach')
        yield place
    finally:
        place.close()


def begin(place):
    """An episode that the policy drives."""
    place.pad()
    place.hold()
    lines = place.log('teleop').read_text().count('start: ')
    while place.log('teleop').read_text().count('start: ') == lines:
        place.press(6)
    place.until_granted(mode=MonitorStatus.POLICY)
    place.wait(lambda: place.status.mode == MonitorStatus.POLICY)


def drive(place, stick):
    """Take the arm and move it for a while."""
    place.take(lambda: place.pad(10, x=stick), place.pad)
    since = place.stamp
    place.wait(lambda: place.stamp > since + 800_000_000)


@pytest.fixture(scope='module')
def corrected(place):
    """The bag of an episode in which the person takes the arm twice."""
    begin(place)
    for stick in (1.0, -1.0):
        drive(place, stick)
        place.pad()
        place.wait(lambda: place.status.mode == MonitorStatus.POLICY)
        since = place.stamp
        place.wait(lambda since=since: place.stamp > since + 500_000_000)
    place.press(12)
    place.wait(place.said('failure'))
    place.hold()
    (bag,) = (place.folder / 'episodes').glob('[!.]*')
    return bag


@pytest.fixture(scope='module')
def built(corrected, tmp_path_factory):
    out = tmp_path_factory.mktemp('built') / 'dataset'
    build_dataset(
        [corrected], out, outcomes=('failure',), reading=BagReadOptions(labels=HORIZON), jobs=1
    )
    return out


@pytest.fixture(scope='module')
def dataset(built):
    return load_dataset(built)


def chunks(bag, topic):
    """The chunks of the expert's on a topic, by their stamps."""
    with EpisodeReader(bag) as reader:
        found = [
            deserialize_message(bytes(message.data), ActionChunk)
            for message in reader.messages({topic})
        ]
    return {
        to_ns(chunk.header.stamp): chunk_positions(chunk)
        for chunk in found
        if chunk.source == ActionChunk.EXPERT
    }


def labelled(dataset):
    return np.isfinite(dataset.label[:, :ANSWER]).all(axis=(1, 2))


def test_every_step_that_he_drove_is_in_the_dataset_with_what_he_wanted(dataset, corrected):
    driven = dataset.source == EXPERT
    assert (np.diff(driven.astype(int)) == 1).sum() == 2
    assert driven.sum() > 25
    stamps = set(dataset.stamp.tolist())
    executed = {
        stamp
        for stamp in chunks(corrected, 'monitor/executed')
        if min(stamps) <= stamp <= max(stamps)
    }
    assert executed == set(dataset.stamp[driven].tolist())
    said = chunks(corrected, topics.EXPERT_CHUNK)
    assert labelled(dataset)[driven].mean() > 0.9  # but where a tick did not wait any longer
    for stamp, label in zip(dataset.stamp, dataset.label, strict=True):
        if stamp in said:
            np.testing.assert_allclose(label[:ANSWER], said[stamp], atol=1e-6)
        else:
            assert not np.isfinite(label).any()


def test_what_the_policy_did_is_no_demonstration(dataset):
    known, driven = chunk_samples(dataset, HORIZON).mask, dataset.source == EXPERT
    policys = (dataset.source == POLICY) & ~labelled(dataset)
    assert policys.sum() > 10
    assert not known[policys].any()
    # Where the person drove on, the executed actions count beyond the commanded chunk.
    on = np.array([driven[i : i + HORIZON].all() for i in range(dataset.frames - HORIZON)])
    assert on.sum() > 10
    assert known[: len(on)][on].all()
    assert not known[: len(on)][driven[: len(on)] & ~on].all(axis=1).any()


def test_a_policy_learns_from_it(dataset, built, bundle, tmp_path):
    train_bundle(built, tmp_path / 'bundle', replace(TRAINING, epochs=200, val_fraction=0.0))
    assert away(dataset, tmp_path / 'bundle') < 0.5 * away(dataset, bundle)


def away(dataset, bundle):
    """How far the policy's next command is from the person's, mean over joints [rad, m]."""
    policy, rows = load_bundle(bundle).policy, np.flatnonzero(dataset.source == EXPERT)
    answers = []
    for row in rows:
        values = {key: dataset.values[key][row] for key in dataset.contract.observations}
        policy.reset()
        frame = Frame(
            stamp=int(dataset.stamp[row]),
            values=values,
            valid=dict.fromkeys(values, True),
            age=dict.fromkeys(values, 0.0),
        )
        answers.append(policy.act(frame)[0])
    return float(np.abs(np.array(answers) - dataset.action[rows]).mean())


def test_no_policy_goes_on_when_the_gamepad_falls_silent(place, corrected):
    begin(place)
    drive(place, 1.0)
    place.device = None
    place.wait(lambda: place.status.mode != MonitorStatus.EXPERT)
    assert place.status.mode == MonitorStatus.HOLD
    since = place.stamp
    place.pad()  # it is back
    place.wait(lambda: place.stamp > since + 1_000_000_000)
    assert place.status.mode == MonitorStatus.HOLD
    place.press(4)
