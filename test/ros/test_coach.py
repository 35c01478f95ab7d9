"""The coach node on a real graph: it proposes, teaches, judges, and goes on after its death."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_policies import REACH

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from il_ros.action import TeachPolicy  # noqa: E402
from il_ros.msg import CoachStatus, MonitorStatus  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from il_ros.cli.running_graph import graph  # noqa: E402
from il_ros.core import topics  # noqa: E402
from il_ros.core.errors import DatasetError  # noqa: E402
from il_ros.interactive.round_journal import RoundJournal  # noqa: E402
from il_ros.launching import packages  # noqa: E402
from il_ros.policies.bundle import load_bundle  # noqa: E402
from il_ros.ros.message_conversion import fill_stamp  # noqa: E402
from il_ros.ros.qos import LATCHED, STATUS  # noqa: E402
from il_ros.sim.perturbations import Perturbation  # noqa: E402

pytestmark = pytest.mark.timeout(400)
SETTINGS = (
    'demonstrations=2', 'rounds=1', 'episodes=2', 'evaluations=1',
    'settings=[schedule=exponential]', 'training.epochs=20', 'training.policy.hidden_dims=[32]',
    'training.policy.horizon=8',
)  # fmt: skip
QUICK = (*SETTINGS, 'scores=false')
PATIENCE = 90.0  # s


@pytest.fixture(scope='module')
def bundle(reach_bundle):
    return reach_bundle


@pytest.fixture(scope='module')
def running(domain, tmp_path_factory):
    bags = tmp_path_factory.mktemp('bags')
    with graph(REACH, start=True, task='reach', directory=bags) as client:
        yield client


class Node:
    """A coach as a process, and what it says."""

    def __init__(self, client, folder, settings=SETTINGS, rules=(), **parameters):
        given = {'contract': REACH.resolve(), 'task': 'reach', 'directory': folder, **parameters}
        texts = [f'{name}:={value}' for name, value in given.items()]
        quoted = ', '.join(f"'{text}'" for text in settings)
        texts.append(f'settings:=[{quoted}]')
        path = packages.executable('il_ros', 'coach', os.environ, 'test')
        self.process = subprocess.Popen(
            [
                str(path),
                '--ros-args',
                *(word for rule in rules for word in ('-r', rule)),
                *(word for text in texts for word in ('-p', text)),
            ],
            stdin=subprocess.DEVNULL,
        )
        self.client, self.folder, self.said = client, folder, []
        self.status = client.node.create_subscription(
            CoachStatus, topics.COACH_STATUS, self.said.append, LATCHED
        )
        self.action = ActionClient(client.node, TeachPolicy, 'coach/teach')
        self.services = {
            name: client.node.create_client(Trigger, f'coach/{name}') for name in ('start', 'stop')
        }

    def __enter__(self):
        self.until(lambda: self.said and self.action.server_is_ready(), 'the coach')
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.action.destroy()
        for entity in self.services.values():
            self.client.node.destroy_client(entity)
        self.client.node.destroy_subscription(self.status)

    def until(self, happened, what):
        deadline = time.monotonic() + PATIENCE
        while not happened():
            assert self.process.poll() is None, 'the coach has ended'
            assert time.monotonic() < deadline, f'{what}: {self.said[-1:]}'
            self.client.spin(0.05)

    def answer(self, future):
        self.until(future.done, 'no answer')
        return future.result()

    def ask(self, service):
        self.services[service].wait_for_service(20)
        return self.answer(self.services[service].call_async(Trigger.Request()))

    def reports(self, count):
        """Wait for so many diagnostics, of which there is one a second."""
        names = []
        heard = self.client.node.create_subscription(
            DiagnosticArray, '/diagnostics', lambda m: names.extend(s.name for s in m.status), 10
        )
        self.until(lambda: names.count('coach: coaching') >= count, 'its diagnostics')
        self.client.node.destroy_subscription(heard)

    def teach(self, rounds=0):
        self.feedback = []
        goal = self.answer(
            self.action.send_goal_async(
                TeachPolicy.Goal(rounds=rounds),
                lambda message: self.feedback.append(message.feedback.status),
            )
        )
        return goal

    def result(self, goal):
        return self.answer(goal.get_result_async()).result


@pytest.fixture(scope='module')
def taught(running, tmp_path_factory):
    """A coach's folder after the first teaching, with nothing to be held against."""
    folder = tmp_path_factory.mktemp('coach') / 'runs'
    with Node(running, folder, QUICK) as coach:
        coach.reports(2)  # by then it has looked several times at whether to begin
        assert coach.said[-1].state == CoachStatus.WATCHING
        assert not (folder / 'round_000').exists()  # nothing moves on start
        goal = coach.teach()
        assert goal.accepted
        assert not coach.teach().accepted  # one at a time
        coach.until(lambda: coach.said[-1].episodes == 2 and coach.said[-1].round == 0, 'demos')
        result = coach.result(goal)
        assert result.success, result.message
        assert not result.promoted
        assert CoachStatus.TEACHING in [status.state for status in coach.said]
        coach.until(lambda: coach.said[-1].state == CoachStatus.WATCHING, 'the end')
        last = coach.said[-1]
        assert (last.round, last.rounds, last.episodes) == (1, 1, 2)
        assert last.success_rate in (0.0, 1.0)
        assert 0.0 <= last.success_rate_low < last.success_rate_high <= 1.0
        assert coach.feedback
    return folder, result


def test_it_teaches_over_the_graph_and_writes_bundle_and_curves(taught):
    folder, result = taught
    assert load_bundle(result.bundle).training.algorithm == 'dagger'
    assert json.loads((folder / 'curves.json').read_text())['rounds'][1]['round'] == 1
    # Where the verb would, so that either of them goes on with what the other began.
    assert len(sorted(folder.glob('round_*/episode_*.npz'))) == 4


@pytest.mark.slow
def test_a_retraining_is_judged_and_what_is_worse_is_not_promoted(taught, running, bundle):
    folder, _ = taught
    with Node(running, folder, bundle=bundle, further=1, trials=3) as coach:
        assert coach.said[-1].policy_id == load_bundle(bundle).policy_id
        assert coach.ask('start').success
        assert coach.ask('start').message == 'it runs already'
        coach.until(lambda: coach.said[-1].state == CoachStatus.EVALUATING, 'trials')
        coach.until(lambda: coach.said[-1].state == CoachStatus.WATCHING, 'the end')
        decision = json.loads((folder / 'retraining_000/decision.json').read_text())
        assert not decision['promoted']
        assert decision['reason'] == coach.said[-1].reason
        assert decision['learned_from']['rounds'] == 3
        assert len(decision['learned_from']['bags']) == 6
        assert decision['trials']['pairs'] == 3
    # The policy in use is the one that drives again.
    assert running.load(bundle) == load_bundle(bundle).policy_id


@pytest.mark.slow
def test_it_goes_on_where_it_was_killed(running, tmp_path, bundle):
    with Node(running, tmp_path, bundle=bundle, further=1, trials=2) as coach:
        goal = coach.teach()
        assert goal.accepted
        coach.until(lambda: coach.said[-1].round == 1 and coach.said[-1].episodes == 1, 'round 1')
        before = sorted(tmp_path.glob('round_*/episode_*.npz'))
        coach.process.send_signal(signal.SIGKILL)
        coach.process.wait()
    stamps = {path: path.stat().st_mtime_ns for path in before}
    with Node(running, tmp_path, bundle=bundle, further=5, trials=2) as coach:
        last = coach.said[-1]
        assert last.state == CoachStatus.PROPOSING
        assert last.reason == 'a retraining is not finished: requested'
        result = coach.result(coach.teach(rounds=7))
        assert result.success, result.message
    assert {path: path.stat().st_mtime_ns for path in before} == stamps
    plan = json.loads((tmp_path / 'retraining_000/plan.json').read_text())
    assert plan['rounds'] == 1  # what was begun, not what was asked for later
    numbers = [int(path.stem.split('_')[1]) for path in sorted(tmp_path.glob('round_*/ep*.npz'))]
    assert numbers == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.real_time
def test_a_node_that_is_ended_in_a_trial_leaves_the_arm_at_rest(running, tmp_path, bundle):
    with Node(running, tmp_path, bundle=bundle, further=1, trials=30) as coach:
        assert coach.ask('start').success
        coach.until(lambda: coach.said[-1].state == CoachStatus.EVALUATING, 'trials')
        coach.until((tmp_path / 'retraining_000/old/episodes.jsonl').exists, 'a trial')
        coach.process.send_signal(signal.SIGTERM)
        assert coach.process.wait(timeout=3) == 0
    running.set_mode('idle')  # as it is
    assert running.parameter('monitor', 'novelty')
    assert not running.parameter('monitor', 'allow_uncalibrated')
    assert not (tmp_path / 'retraining_000/decision.json').exists()


def test_an_alarm_is_not_the_coachs_to_resume(running, tmp_path, bundle):
    running.load(bundle)
    lost = Perturbation(kind='sensor_dropout', target='goal_position', start=0.3)
    with Node(running, tmp_path, bundle=bundle) as coach:
        stamp = running.reset(5, [lost])
        running.enter('policy', stamp)
        while running.trace.alarm is None:
            running.step(1)
        result = coach.result(coach.teach())
        assert not result.success
        assert 'alarm is latched' in result.message
        running.rest()


@pytest.mark.real_time
def test_cancelling_leaves_the_arm_at_rest_and_what_is_done_stays(running, tmp_path, bundle):
    with Node(running, tmp_path, bundle=bundle, further=1, trials=2) as coach:
        goal = coach.teach()
        coach.until(lambda: coach.said[-1].episodes == 1, 'an episode')
        begin = time.monotonic()
        coach.answer(goal.cancel_goal_async())
        result = coach.result(goal)
        assert time.monotonic() - begin < 10
        assert (result.success, 'cancelled' in result.message) == (False, True), result.message
        coach.until(lambda: coach.said[-1].state == CoachStatus.PROPOSING, 'the proposal')
        running.set_mode('idle')  # as it is: the arm is at rest
        coach.process.send_signal(signal.SIGTERM)
        assert coach.process.wait(timeout=3) == 0
    assert len(sorted(tmp_path.glob('round_000/episode_*.npz'))) >= 1


def test_somebody_who_drives_is_not_disturbed(running, tmp_path, bundle):
    running.load(bundle)
    with running.watching(novelty=False), Node(running, tmp_path, bundle=bundle) as coach:
        stamp = running.reset(5)
        running.enter('policy', stamp)
        running.step(4)
        deadline = time.monotonic() + PATIENCE
        while 'the monitor is in mode policy' not in (told := coach.result(coach.teach())).message:
            assert not told.success  # it has not heard of the monitor yet, which refuses to be idle
            assert time.monotonic() < deadline, told.message
        assert not running.step(6).done
        running.rest()
        coach.until(lambda: coach.said[-1].runs == 1, 'its drive')


@pytest.fixture
def monitor(running):
    """Says what a monitor would, on the topic of a namespace of its own."""
    publisher = running.node.create_publisher(MonitorStatus, 'elsewhere/monitor/status', STATUS)
    yield publisher
    running.node.destroy_publisher(publisher)


def drive(running, publisher, policy_id, strange):
    for mode, triggered in (
        (MonitorStatus.POLICY, False),
        (MonitorStatus.POLICY, strange),
        (MonitorStatus.ALARM if strange else MonitorStatus.IDLE, strange),
    ):
        message = MonitorStatus(mode=mode, triggered=triggered, policy_id=policy_id)
        publisher.publish(fill_stamp(message, 1))
        running.spin(0.02)


def test_a_confirmed_shift_is_proposed(running, tmp_path, bundle, monitor):
    policy_id = load_bundle(bundle).policy_id
    elsewhere = ('monitor/status:=elsewhere/monitor/status',)
    with Node(running, tmp_path, rules=elsewhere, bundle=bundle, window=10) as coach:
        coach.until(lambda: monitor.get_subscription_count() == 1, 'the coach')
        coach.said.clear()
        while not coach.said or coach.said[-1].runs < 6:  # the first may not reach it yet
            drive(running, monitor, policy_id, strange=False)
            coach.until(lambda: coach.said, 'a word')
        assert coach.said[-1].state == CoachStatus.WATCHING
        for _ in range(5):
            drive(running, monitor, policy_id, strange=True)
        coach.until(lambda: coach.said[-1].state == CoachStatus.PROPOSING, 'a proposal')
        last = coach.said[-1]
        assert (last.runs, last.stopped_runs) == (10, 5)
        assert last.p_value < 0.001
        assert last.reason.startswith('a drift is confirmed: the scores ended 5 of the last 10')
        assert not Path(tmp_path / 'retraining_000').exists()  # it asks for leave


WRONG = [
    (
        {'on_shift': 'start'},
        "/coach parameter on_shift: 'on_shift' is now 'on_drift'; to fix: write 'on_drift' instead",
    ),
    (
        {'on_drift': 'ever'},
        "parameter on_drift: got 'ever'; allowed: watch, propose, start",
    ),
    ({'bundle': '/nowhere'}, '/nowhere: no such folder'),
    ({'settings': "['ruls=dagger']"}, "settings: got 'ruls=dagger'; allowed: demonstrations=..."),
    ({'randomisation': '/no.yaml'}, '/no.yaml: no such file'),
]
ONE_AFTER_ANOTHER = """
import json, os, sys, tempfile
from il_ros.nodes.coach_node import main
for line in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile('w+') as errors:
        if (child := os.fork()) == 0:  # main ends its process
            sys.argv = ['coach', *line]
            os.dup2(errors.fileno(), 2)  # a node's log is not Python's
            main()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        errors.seek(0)
        print(json.dumps([code, errors.read()]), flush=True)
"""


@pytest.fixture(scope='module')
def refusals(domain, tmp_path_factory):
    """Exit code, errors and folder of a coach for each wrong set-up; all share one import."""
    folders = [tmp_path_factory.mktemp('refused') / 'x' for _ in WRONG]
    given = {'contract': REACH.resolve(), 'task': 'reach'}
    settings = [
        {**given, 'directory': folder, **parameters}
        for folder, (parameters, _) in zip(folders, WRONG, strict=True)
    ]
    lines = [
        ['--ros-args', *(w for k, v in s.items() for w in ('-p', f'{k}:={v}'))] for s in settings
    ]
    done = subprocess.run(
        [sys.executable, '-c', ONE_AFTER_ANOTHER, json.dumps(lines)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=100,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [(*answer, folder) for answer, folder in zip(answers, folders, strict=True)]


@pytest.mark.parametrize('number', range(len(WRONG)))
def test_what_is_set_up_wrongly_is_said_and_nothing_starts(refusals, number):
    code, errors, folder = refusals[number]
    assert code == 2
    assert WRONG[number][1] in errors
    assert not folder.exists()


def test_the_journal_is_the_verbs(taught):
    folder, _ = taught
    with pytest.raises(DatasetError, match='another run'):
        RoundJournal(folder, {})
