"""Rounds of interactive imitation on a real graph, in lock-step, whatever is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_policies import REACH

pytest.importorskip('rclpy')

from il_ros.msg import ActionChunk, Takeover
from rclpy.serialization import deserialize_message

from il_ros.algorithms.bc import BcConfig
from il_ros.algorithms.query_rules import QueryDecision, QueryRule
from il_ros.algorithms.transitions import ENDINGS, EXPERT
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.cli.running_graph import graph
from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.datasets.bag_conversion import convert
from il_ros.evaluation.suites import SEEDS
from il_ros.interactive.arm_episode_env import ArmEpisodeEnv
from il_ros.interactive.arm_transitions import columns
from il_ros.interactive.chunk_learner import ChunkActor, ChunkLearner
from il_ros.interactive.dagger_loop import DaggerLoop, DaggerLoopConfig
from il_ros.interactive.round_journal import RoundJournal
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_bundle
from il_ros.policies.mlp import MlpConfig
from il_ros.ros.message_conversion import chunk_message, fill_stamp, to_ns
from il_ros.ros.message_types import message_type
from il_ros.ros.qos import CHUNKS, EVENTS
from il_ros.sim.perturbations import Perturbation

pytestmark = pytest.mark.timeout(300)
HORIZON = 8
PATIENCE = 300.0  # s
CONFIG = DaggerLoopConfig(demonstrations=2, rounds=1, episodes=2, evaluations=1)


@pytest.fixture(scope='module')
def reach():
    return load_contract(REACH)


@pytest.fixture(scope='module')
def learner(reach):
    policy = MlpConfig(hidden_dims=(32,), horizon=HORIZON)
    config = BcConfig(policy=policy, epochs=20, batch_size=64, val_fraction=0.0, device='cpu')
    return ChunkLearner(contract=reach, task='reach', config=config)


@pytest.fixture(scope='module')
def running(reach, domain, tmp_path_factory):
    """A graph of the reach task."""
    bags = tmp_path_factory.mktemp('bags')
    with graph(REACH, start=True, task='reach', directory=bags) as client:
        yield client


@pytest.fixture
def place(running, reach):
    """The graph as an episode env for one test."""
    from il_ros.ros.graph_episode_env import graph_episode_env

    with graph_episode_env(running, reach, horizon=HORIZON) as env:
        yield env


class EveryOther(QueryRule):
    """The expert drives two steps of every five, and is asked about one more."""

    def decide(self, step):
        phase = step.tick % 5
        driver = 'expert' if phase in (1, 2) else 'policy'
        return QueryDecision(driver=driver, ask=phase in (1, 2, 3))


def coach(place, learner, journal, rule, folder):
    def introduce(round_, actor, steps):
        bundle = learner.bundle(actor, steps, algorithm='test', scored=False)
        save_bundle(bundle, folder / f'bundle_{round_}', overwrite=True)
        place.load(folder / f'bundle_{round_}', actor.policy_id)

    return DaggerLoop(place, learner, rule, journal, CONFIG, before_use=introduce)


def arrays_of(bag):
    with EpisodeReader(bag) as reader:
        return convert(reader, labels=HORIZON).arrays


def require_whole(journal, config=CONFIG):
    """Every episode once, with one bag, and in the bag every label and no other."""
    episodes = [*journal.episodes(0), *journal.episodes(1)]
    assert len(episodes) == config.demonstrations + config.rounds * config.episodes
    assert [int(steps.episode[0]) for steps in episodes] == list(range(len(episodes)))
    bags = journal.bags()
    assert len(bags) == len(set(bags)) == len(episodes)
    for steps, bag in zip(episodes, bags, strict=True):
        arrays, count = arrays_of(bag), len(steps)
        labels = arrays.label[:count].reshape(count, -1)
        np.testing.assert_array_equal(np.isfinite(labels).all(axis=1), steps.asked)
        np.testing.assert_allclose(labels[steps.asked], steps.expert[steps.asked], atol=1e-6)
        assert not np.isfinite(arrays.label[count:]).any()
        # Nobody drove the step at which the monitor stopped the driver.
        stopped = steps.ending[-1] == ENDINGS.index('failure')
        driven = count - 1 if stopped else count
        np.testing.assert_array_equal(arrays.source[:driven], steps.source[:driven])
        assert not arrays.source[driven:].any()
    return episodes


@pytest.fixture(scope='module')
def rounds(running, reach, learner, tmp_path_factory):
    """A run that nothing happened to: its folder and the episodes of its rounds."""
    from il_ros.ros.graph_episode_env import graph_episode_env

    folder = tmp_path_factory.mktemp('rounds')
    with (
        graph_episode_env(running, reach, horizon=HORIZON) as env,
        RoundJournal(folder, {}) as journal,
    ):
        coach(env, learner, journal, EveryOther(), folder).run()
        return folder, require_whole(journal)


def test_what_was_decided_about_a_frame_is_in_force_at_that_frame(rounds):
    _, episodes = rounds
    for steps in episodes[CONFIG.demonstrations :]:
        wanted = np.isin(np.arange(len(steps)) % 5, (1, 2))
        np.testing.assert_array_equal(steps.source == EXPERT, wanted)
        assert steps.asked.sum() > wanted.sum()


def test_every_label_is_in_the_bag_and_nobody_else_drove(rounds):
    _, episodes = rounds
    assert all(steps.asked.all() for steps in episodes[: CONFIG.demonstrations])
    assert sum(len(steps) for steps in episodes) > 60


def test_the_bag_names_the_policy_and_the_takeovers(rounds):
    folder, episodes = rounds
    with RoundJournal(folder, {}) as journal:
        bag, steps = journal.bags()[-1], episodes[-1]
    policy = set(told(bag, topics.POLICY_CHUNK, 'policy_id'))
    assert policy == set(steps.policy_id) != {''}
    reasons = [text for text in told(bag, topics.EVENTS, 'text') if 'EXPERT: takeover' in text]
    assert len(reasons) == steps.takeovers.sum() > 3


def told(bag, topic, name):
    """One field of every message of one of the package's topics."""
    with EpisodeReader(bag) as reader:
        data = [bytes(message.data) for message in reader.messages({topic})]
    kind = message_type(topics.TYPES[topic])
    return [getattr(deserialize_message(one, kind), name) for one in data]


class Turns:
    """The expert drives two steps of every five, the learner the others."""

    def __init__(self, actor):
        self.actor, self.observations = actor, []

    @property
    def driver(self):
        return 'expert' if len(self.observations) % 5 in (2, 3) else 'policy'

    def __call__(self, context):
        self.observations.append(context.observation)
        learned = self.actor.members(context.observation)[0]
        return context.ask() if self.driver == 'expert' else learned


def test_an_episode_with_handovers_is_the_same_in_one_process(place, reach, rounds):
    bundle = load_bundle(rounds[0] / 'bundle_0')
    place.load(rounds[0] / 'bundle_0', bundle.policy_id)
    on_graph, alone = (Turns(ChunkActor([bundle.policy])) for _ in range(2))
    seed = SEEDS['nominal'][5]
    outcome = place.run(seed, on_graph)
    in_process = ArmEpisodeEnv(reach, 'reach', horizon=HORIZON).run(seed, alone)
    assert outcome.ending == in_process.ending
    assert len(on_graph.observations) == len(alone.observations) > 15
    joints = [
        np.array(each.observations)[:, columns(reach)['joint_position']]
        for each in (on_graph, alone)
    ]
    np.testing.assert_allclose(*joints, rtol=0, atol=1e-6)


def test_an_alarm_ends_the_episode_as_a_failure(place):
    place._disturbed = [Perturbation(kind='sensor_dropout', target='goal_position', start=0.3)]

    class Expert:
        driver, steps = 'expert', 0

        def __call__(self, context):
            self.steps += 1
            return context.ask()

    source = Expert()
    outcome = place.run(3, source)
    assert (outcome.ending, outcome.gain) == ('failure', 0.0)
    assert outcome.reason.startswith('stopped: ')
    assert 'goal_position' in outcome.reason
    assert 0 < source.steps < 20


def test_a_source_that_leaves_ends_the_episode(place):
    class Leaving:
        driver, steps = 'expert', 0

        def __call__(self, context):
            self.steps += 1
            return context.ask() if self.steps < 4 else None

    outcome = place.run(4, Leaving())
    assert (outcome.ending, outcome.gain) == ('cut', 0.0)
    assert np.isfinite(arrays_of(Path(outcome.bag)).label).all(axis=(1, 2)).sum() == 3


class Noise(QueryRule):
    """The expert drives under a noise that always pushes the same way, in most steps."""

    def decide(self, step):
        noise = np.full(len(step.action), 0.5) if step.tick % 4 else None
        return QueryDecision(driver='expert', ask=True, noise=noise)


def test_the_arm_follows_the_noise_of_a_rule_and_the_bag_holds_the_experts_answer(
    place, learner, tmp_path
):
    with RoundJournal(tmp_path, {}) as journal:
        coach(place, learner, journal, Noise(), tmp_path).run()
        steps, bag = require_whole(journal)[-1], journal.bags()[-1]
    done, labels = by_stamp(bag, topics.EXPERT_CHUNK), by_stamp(bag, topics.EXPERT_LABEL)
    frames = arrays_of(bag).stamp[: len(steps)]
    for tick, stamp in enumerate(frames):
        assert (stamp in labels) is bool(tick % 4)  # where there is no noise it is the answer
        np.testing.assert_allclose(done[stamp], steps.executed[tick], atol=1e-6)
    # The arm goes where it is pushed: its commands are off the answers by about as much.
    commanded = arrays_of(bag).action[: len(steps)]
    answers, executed = (each[:, : commanded.shape[1]] for each in (steps.expert, steps.executed))
    pushed, moved = (executed - answers).mean(axis=0), (commanded - answers)[5:].mean(axis=0)
    assert pushed @ moved > 0.5 * pushed @ pushed > 0


def by_stamp(bag, topic):
    """The chunks on a topic, laid flat, by their stamps."""
    pairs = zip(told(bag, topic, 'header'), told(bag, topic, 'positions'), strict=True)
    return {to_ns(header.stamp): np.asarray(positions) for header, positions in pairs}


class Person:
    """Lets the policy drive, but for a few steps in which a person holds the arm where it is.

    Attributes:
        humans: Whether the coach saw the person, step by step.
        held: Whether the person held the enable switch when the step ended.
    """

    def __init__(self, client, place, contract):
        self.client, self.place, self.contract = client, place, contract
        self.chunks = client.node.create_publisher(ActionChunk, topics.EXPERT_CHUNK, CHUNKS)
        self.words = client.node.create_publisher(Takeover, topics.TAKEOVER, EVENTS)
        for publisher in (self.chunks, self.words):
            while publisher.get_subscription_count() < 3:  # monitor, recorder, coach
                client.spin(0.05)
        self.humans, self.held = [], []

    @property
    def driver(self):
        return 'expert' if self.humans[-1] else 'policy'

    def __call__(self, context):
        if len(self.humans) == 14:
            return None
        self.humans.append(context.human)
        held = 4 <= len(self.held) < 9
        self.held.append(held)
        self.publish(held)
        while self.place._person is not held:
            self.client.spin(0.01)
        return context.ask() if context.human else np.zeros(self.place.low.size)

    def publish(self, held):
        frame, contract = self.place._frame, self.contract
        chunk = chunk_message(
            contract,
            np.tile(frame.vector(contract.action.position), (HORIZON, 1)),
            stamp=frame.stamp,
            source='expert',
        )
        if held or self.humans[-1]:
            self.chunks.publish(chunk)
        self.words.publish(fill_stamp(Takeover(device='person', held=held), frame.stamp))


def test_a_person_goes_before_everybody_and_his_chunks_are_the_labels(
    place, running, reach, rounds
):
    folder = rounds[0]
    place.load(folder / 'bundle_0', load_bundle(folder / 'bundle_0').policy_id)
    person = Person(running, place, reach)
    outcome = place.run(6, person)
    assert (outcome.ending, len(person.humans)) == ('cut', 14)
    assert person.humans[1:] == person.held[:-1]  # known from the step after
    arrays = arrays_of(Path(outcome.bag))
    np.testing.assert_array_equal(arrays.source[:14] == EXPERT, person.held)
    labelled = np.isfinite(arrays.label[:14]).all(axis=(1, 2))
    np.testing.assert_array_equal(labelled, np.array(person.held) | np.array(person.humans))
    here = np.concatenate([arrays.values[key] for key in reach.action.position], axis=1)
    np.testing.assert_allclose(arrays.label[5:9, 0], here[5:9], atol=1e-6)


class Coaching:
    """`il_ros dagger` as a process, on a graph that runs or on one of its own."""

    def __init__(self, out, *more):
        self.out = out
        line = (
            f'dagger --contract {REACH} --task reach --out {out} --settings schedule=exponential '
            f'--demonstrations 2 --rounds 1 --episodes 2 --evaluations 1 --training.epochs 20 '
            f'--training.policy.hidden-dims 32 --training.policy.horizon {HORIZON} --no-scores'
        )
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'il_ros.cli.main', *line.split(), *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, name):
        """Wait until a file of the journal is there."""
        deadline = time.monotonic() + PATIENCE
        while not (self.out / name).exists():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, f'no {name}'
            time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def end(self):
        """Its exit code and what it has said."""
        said = self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode, said

    def child(self, node):
        """Process of a node of its own graph."""
        for entry in Path('/proc').iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = (entry / 'stat').read_text().rpartition(')')[2].split()[1]
                line = (entry / 'cmdline').read_text().split('\0')
            except OSError:
                continue
            if parent == str(self.process.pid) and any(word.endswith(f'/{node}') for word in line):
                return int(entry.name)
        raise AssertionError(f'{node} is not a child')


def require_whole_run(out):
    """The same of a run of the command, whose count of labels is that of its record."""
    manifest = json.loads((out / 'coaching.json').read_text())
    with RoundJournal(out, manifest['identity']) as journal:
        episodes = require_whole(journal)
        spent = journal.result(1)['spent']['labels']
    assert spent == sum(int(steps.asked.sum()) for steps in episodes[2:])


def test_an_interruption_is_said_in_a_word(running, tmp_path):
    with Coaching(tmp_path) as run:
        run.until('round_000/episode_00000.npz')
        run.process.send_signal(signal.SIGINT)
        code, said = run.end()
    assert (code, said.splitlines()[-1]) == (130, 'interrupted')
    assert 'Traceback' not in said


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_coach_that_is_killed_in_any_phase_goes_on(running, tmp_path):
    """Killed without a word: the next one finds the arm driven and an episode being recorded."""
    for name in (
        'round_000/episode_00000.npz',  # among the demonstrations
        'round_000/policy.npz',  # on the way to the nodes, and in the evaluation
        'round_001/episode_00002.npz',  # in the round
        'round_001/episode_00003.npz',  # before or in the training, which is the coach's own
    ):
        with Coaching(tmp_path) as run:
            run.until(name)
            run.process.kill()
            assert run.end()[0] == -signal.SIGKILL
    with Coaching(tmp_path) as run:
        code, said = run.end()
    assert code == 0, said
    assert (tmp_path / 'curves.html').exists()
    require_whole_run(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_whose_nodes_are_killed_goes_on(domain, tmp_path):
    for node, name in (
        ('policy', 'round_000/policy.npz'),  # on the way to the nodes, and in the evaluation
        ('expert', 'round_001/episode_00002.npz'),  # in the round
    ):
        with Coaching(tmp_path, '--start') as run:
            run.until(name)
            os.kill(run.child(node), signal.SIGKILL)
            code, said = run.end()
        assert code == 2, said
        assert f'{node} was ended by signal 9' in said.replace('\n', ' ')
    with Coaching(tmp_path, '--start') as run:
        code, said = run.end()
    assert code == 0, said
    require_whole_run(tmp_path)
