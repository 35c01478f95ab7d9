"""A person at a gamepad corrects a policy in a coach's episode: a Joy stream is played again.

What is pressed and when is a list of moments of the episode, as a recording would have it; teleop,
monitor, recorder and simulator are processes, and every message is the one that a gamepad sends.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from small_policies import REACH

rclpy = pytest.importorskip('rclpy')

from sensor_msgs.msg import Joy  # noqa: E402

from il_ros.algorithms.bc import BcConfig  # noqa: E402
from il_ros.algorithms.transitions import EXPERT  # noqa: E402
from il_ros.bags.bag_reader import BagReadOptions  # noqa: E402
from il_ros.cli.running_graph import graph  # noqa: E402
from il_ros.core.contract import load_contract  # noqa: E402
from il_ros.datasets.dataset_build import build_dataset  # noqa: E402
from il_ros.evaluation.suites import SEEDS  # noqa: E402
from il_ros.interactive.arm_rounds import ArmRounds, DaggerRun  # noqa: E402
from il_ros.launching import packages  # noqa: E402
from il_ros.policies.mlp import MlpConfig  # noqa: E402
from il_ros.ros.message_conversion import fill_stamp  # noqa: E402
from il_ros.ros.qos import SENSOR_OUT  # noqa: E402

pytestmark = [pytest.mark.real_time, pytest.mark.timeout(300)]
GAMEPAD = Path(__file__).parents[2] / 'config/teleop/gamepad.yaml'
HORIZON, ENABLE = 8, 10
# Seconds of the episode from which on something else is held: a button, and the stick.
STREAM = (
    (0.0, False, 0.0),
    (0.3, True, 0.0),  # the person takes the arm
    (0.4, True, 0.8),  # and pushes it on
    (0.8, True, -0.4),
    (1.0, False, 0.0),  # and lets go
    (1.4, True, 0.5),  # and once more
    (1.7, False, 0.0),
)
"""(when [s], whether the enable switch is held, stick)."""


@pytest.fixture(scope='module')
def reach():
    return load_contract(REACH)


@pytest.fixture(scope='module')
def running(reach, domain, tmp_path_factory):
    bags = tmp_path_factory.mktemp('bags')
    with graph(REACH, start=True, task='reach', directory=bags) as client:
        yield client


@pytest.fixture
def teleop(running):
    path = packages.executable('il_ros', 'teleop', os.environ, 'test')
    given = {'contract': REACH.resolve(), 'use_sim_time': True, 'timeout': 0.5, 'horizon': HORIZON}
    given['config'] = GAMEPAD
    process = subprocess.Popen(
        [str(path), '--ros-args', *(w for k, v in given.items() for w in ('-p', f'{k}:={v}'))],
        stdin=subprocess.DEVNULL,
    )
    publisher = running.node.create_publisher(Joy, 'joy', SENSOR_OUT)
    while not publisher.get_subscription_count():
        assert process.poll() is None
        running.spin(0.05)
    yield publisher
    process.terminate()
    assert process.wait(timeout=3) == 0
    running.node.destroy_publisher(publisher)


class Played:
    """Has a gamepad say at every frame what it said then, before the coach decides about it.

    Teleop takes the arm with the first frame after the press, and gives it back at once.
    """

    def __init__(self, place, client, publisher):
        self.place, self.client, self.publisher = place, client, publisher
        self.frame_at, self.run, self.begin, self.plays = place._frame_at, place.run, 0, False
        place._frame_at, place.run = self, self.episode

    def episode(self, seed, source):
        self.plays = seed in SEEDS['corrections']
        return self.run(seed, source)

    def __call__(self, stamp):
        frame = self.frame_at(stamp)
        if not self.plays:
            return frame
        if stamp == self.place._first or not self.begin:
            self.begin, before = stamp, False
        else:
            before = pressed(stamp - self.begin - 50_000_000)[0]
        held, stick = pressed(stamp - self.begin)
        message = Joy(
            axes=[0.0, stick, 0.0, 0.0, 0.0, 0.0],
            buttons=[int(held and i == ENABLE) for i in range(21)],
        )
        self.publisher.publish(fill_stamp(message, stamp))
        while self.place._person is not (held and before):
            self.client.spin(0.01)
        return frame


def pressed(since):
    """Dead-man and stick so many nanoseconds after the first frame."""
    return [row[1:] for row in STREAM if row[0] <= since / 1e9 + 1e-6][-1]


def test_every_corrective_step_is_learned_from_once_and_no_command_jumps(
    running, reach, teleop, tmp_path
):
    from il_ros.ros.graph_episode_env import graph_episode_env

    policy = MlpConfig(hidden_dims=(32,), horizon=HORIZON)
    training = BcConfig(policy=policy, epochs=20, batch_size=64, val_fraction=0.0, device='cpu')
    run = DaggerRun(
        rule='hg_dagger', demonstrations=2, rounds=1, episodes=1, evaluations=1, scores=False
    )
    rounds = ArmRounds(reach, 'reach', tmp_path / 'rounds', run, training)
    with (
        rounds.journal('graph') as journal,
        graph_episode_env(running, reach, horizon=HORIZON, noise=0.0) as place,
    ):
        Played(place, running, teleop)
        rounds.teach(place, journal, live=place)
        steps, bag = journal.episodes(1)[0], journal.bags()[-1]
    dataset = build_dataset(
        [bag],
        tmp_path / 'dataset',
        outcomes=('success', 'failure', 'unknown'),
        reading=BagReadOptions(labels=HORIZON),
        jobs=1,
    )
    limits, period, count = reach.limits, reach.period, len(dataset.stamp)
    assert count >= len(steps) - 1  # where the monitor stops it in the end, nothing was done
    steps = steps.take(slice(0, count))
    driven = steps.source == EXPERT
    begins, ends = (np.flatnonzero(np.diff(driven.astype(int)) == sign) + 1 for sign in (1, -1))
    # Pressed at 0.3 and 1.4 s, in force at the first frame after that; let go at 1.0 and 1.7 s.
    np.testing.assert_array_equal(begins, [7, 29])
    np.testing.assert_array_equal(ends, [20, 34])
    other = np.flatnonzero(dataset.source != steps.source)
    assert set(other.tolist()) <= set(ends.tolist())  # may be the driver's before, as documented
    # Each of the person's steps is there once, and the arm did what the person wanted.
    assert len(set(dataset.stamp.tolist())) == len(dataset.stamp)
    labelled = np.isfinite(dataset.label).all(axis=(1, 2))
    assert labelled[: len(steps)][driven].all()
    np.testing.assert_array_equal(steps.asked, driven)
    np.testing.assert_array_equal(np.isfinite(steps.expert).all(axis=1), driven)
    wanted = dataset.label[: len(steps)][driven].reshape(driven.sum(), -1)
    np.testing.assert_allclose(wanted, steps.expert[driven], atol=1e-6)
    pushed = np.abs(np.diff(dataset.action[8:20], axis=0)).max(axis=0)
    assert pushed.max() > 2e-3  # he did move the arm
    # No command jumps, at a handover or anywhere else.
    moved = np.diff(dataset.action, axis=0) / period
    assert (np.abs(moved) <= limits.velocity * (1 + 1e-6)).all()
    turned = np.diff(moved, axis=0) / period
    at_handovers = [i for at in (*begins, *ends) for i in range(at - 3, at + 3)]
    assert (np.abs(turned[at_handovers]) <= limits.acceleration * (1 + 1e-6)).all()
