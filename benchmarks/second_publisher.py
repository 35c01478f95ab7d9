"""A second publisher of the arm's joints: does the arm ever leave its limits?

``run(requests)`` gives the row `second_publisher_worst_speed_share` of ``make bench GROUP=gate``,
and ``run(1, SMOKE)`` sees within seconds that it still runs. By itself,
``python -m benchmarks.second_publisher --requests 20``, it prints a table. With 20 requests that
takes about a minute for each of eleven kinds and two contracts.

Simulator (in real time), expert, policy and monitor are processes of their own. Half of the
requests for HOLD and POLICY come while another node publishes `joint_states`, too, the other half
just when it begins; then it begins while the expert drives. All of it once with a contract that
allows one publisher, and once with one that allows two: then the samples are all that gives the
second publisher away, and whose they are, where rclpy says that.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy.subscription
import yaml
from il_ros.msg import MonitorStatus
from rclpy.timer import Timer
from sensor_msgs.msg import JointState

from benchmarks.demonstrations import CONTRACT, in_process
from benchmarks.fault_referee import STANDING
from benchmarks.fault_relay import WIRES
from benchmarks.fault_rig import MOVING, Rig
from benchmarks.rows import RUNS
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.cli.main import guarded
from il_ros.core.contract import Contract, load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.evaluation.suites import draw_seeds
from il_ros.ros.message_conversion import to_ns, to_stamp
from il_ros.ros.qos import SENSOR_OUT

OFF = 1.0  # rad that a false sample is off
TOLERANCE = 1.05  # share of a velocity limit up to which a servo may overshoot
# Whether messages say who sent them.
_IDENTIFIED = hasattr(rclpy.subscription, 'MessageInfo')
_AFTER = 1.2  # s that the arm is watched after a request
_CALM = 1.3  # s after which earlier samples count no more
_WHAT = ('hold', 'policy')
_MODES = {'hold': MonitorStatus.HOLD, 'policy': MonitorStatus.POLICY}
_BEGINNING = (-0.1, 0.3)  # when the other begins, before a request, where it begins with it [s]

Distort = Callable[[JointState, np.random.Generator], JointState | None]
"""From a true message the false one that follows at once, or none."""


@dataclass(frozen=True, kw_only=True)
class Other:
    """One kind of second publisher.

    Attributes:
        name: Short name, unique.
        distort: Makes its messages of the true ones.
        period: Time between two of its messages, by the wall [s]; 0 for one after each true one.
        harmless: Whether its samples say the same as the true ones, so that two publishers of the
            kind may be allowed where messages do not say who sent them.
    """

    name: str
    distort: Distort
    period: float = 0.0
    harmless: bool = False


def _stamped(message: JointState, ahead: float) -> JointState:
    message.header.stamp = to_stamp(to_ns(message.header.stamp) + round(ahead * NS))
    return message


def _off(ahead: float) -> Distort:
    def distort(message: JointState, rng: np.random.Generator) -> JointState:
        message.position[0] += OFF
        message.velocity = [0.0] * len(message.velocity)
        return _stamped(message, ahead)

    return distort


def _permuted(message: JointState, rng: np.random.Generator) -> JointState:
    """The names in another order than the numbers."""
    message.name = [*message.name[1:7], message.name[0], *message.name[7:]]
    return _stamped(message, 0.02)


def _zeros(message: JointState, rng: np.random.Generator) -> JointState:
    message.position = [0.0] * len(message.position)
    message.velocity = [0.0] * len(message.velocity)
    return _stamped(message, 0.01)


def _jumping(message: JointState, rng: np.random.Generator) -> JointState:
    message.position = [x + rng.uniform(-OFF, OFF) for x in message.position]
    return _stamped(message, 0.025)


def _frozen() -> Distort:
    """The first posture again and again, at rest, with stamps of now."""
    kept: list[JointState] = []

    def distort(message: JointState, rng: np.random.Generator) -> JointState:
        if not kept:
            message.position[1] += 0.2  # where the arm stood before
            kept.append(message)
        false = copy.deepcopy(kept[0])
        false.velocity = [0.0] * len(false.velocity)
        false.header.stamp = message.header.stamp
        return _stamped(false, 0.025)

    return distort


def _another(message: JointState, rng: np.random.Generator) -> JointState | None:
    """A driver with a clock of its own, of an arm that stands elsewhere."""
    return _off(rng.uniform(0.0, 0.05))(message, rng)


def _same(ahead: float) -> Distort:
    return lambda message, rng: _stamped(message, ahead)


OTHERS: tuple[Other, ...] = (
    Other(name='off by 1 rad, 25 ms ahead', distort=_off(0.025)),
    Other(name='off by 1 rad, 49 ms ahead', distort=_off(0.049)),
    Other(name='off by 1 rad, 51 ms ahead', distort=_off(0.051)),
    Other(name='another driver at 20 Hz', distort=_another, period=0.05),
    Other(name='values permuted', distort=_permuted),
    Other(name='frozen', distort=_frozen()),
    Other(name='jumping', distort=_jumping),
    Other(name='stamped 5 s back', distort=_same(-5.0)),
    Other(name='stamped 20 ms ahead', distort=_same(0.02), harmless=True),
    Other(name='everything twice', distort=_same(0.0), harmless=True),
    Other(name='zeros of a joint_state_publisher', distort=_zeros, period=0.1),
)


@dataclass(frozen=True, kw_only=True)
class SecondPublisherSizes:
    """How much of everything.

    Attributes:
        names: Which kinds; empty for all.
        publishers: How many the contract allows, one contract after the other.
        drives: How often each begins while the expert drives.
        demonstrations: That the policy is trained on.
        training: How it is trained.
    """

    names: tuple[str, ...] = ()
    publishers: tuple[int, ...] = (1, 2)
    drives: int = 4
    demonstrations: int = 10
    training: BcConfig = field(default_factory=lambda: BcConfig(epochs=20, device='cpu'))


FULL = SecondPublisherSizes()
SMOKE = SecondPublisherSizes(
    names=('off by 1 rad, 49 ms ahead',),
    publishers=(2,),
    drives=0,
    demonstrations=2,
    training=BcConfig(epochs=4, device='cpu'),
)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one request, or of one drive.

    Attributes:
        other: Name of the kind.
        publishers: How many the contract allows.
        what: `hold`, `policy` or `driving`.
        granted: Whether the request was granted.
        reason: Why not, or why the arm was stopped.
        share: Largest measured speed, as a share of the joint's limit.
        violations: Limits that the simulator saw left, and how often.
        failed: What was not as it should be; empty when all was.
    """

    other: str
    publishers: int
    what: str
    granted: bool
    reason: str
    share: float
    violations: dict[str, int]
    failed: str = ''


def run(
    requests: int = 20, sizes: SecondPublisherSizes = FULL, runs: Path = RUNS
) -> dict[str, Any]:
    """Ask for HOLD and POLICY beside each kind of second publisher, so many times each.

    Returns:
        `worst_speed_share`, over all trials; `refused`, the share of trials in which the request
        was refused or the drive stopped, of those that had to be; `trials` and `failed`.
    """
    trials = list(_trials(requests, sizes, runs / 'bench/second_publisher_log'))
    due = [trial for trial in trials if not _allowed(trial)]
    return {
        'worst_speed_share': max(trial.share for trial in trials),
        'refused': sum(not trial.granted for trial in due) / max(len(due), 1),
        'trials': [vars(trial) for trial in trials],
        'failed': [vars(trial) for trial in trials if trial.failed],
    }


def _allowed(trial: Trial) -> bool:
    if _IDENTIFIED:  # two publishers of one joint, whatever they say
        return False
    harmless = {other.name for other in OTHERS if other.harmless}
    return trial.publishers > 1 and trial.other in harmless


def _trials(requests: int, sizes: SecondPublisherSizes, log: Path) -> Iterator[Trial]:
    chosen = [other for other in OTHERS if not sizes.names or other.name in sizes.names]
    with tempfile.TemporaryDirectory(prefix='il_ros_second_publisher_') as scratch:
        for publishers in sizes.publishers:
            contract = _contract(Path(scratch), publishers)
            bundle = _bundle(Path(scratch) / str(publishers), load_contract(contract), sizes)
            for other in chosen:
                with Rig(bundle, log / f'{publishers}_{other.name}', contract) as rig:
                    for trial in _Bench(rig, other, publishers).trials(requests, sizes.drives):
                        print(_line(trial), flush=True)
                        yield trial


def _contract(folder: Path, publishers: int) -> Path:
    """The contract of pick_place, with so many publishers of the joints."""
    data = yaml.safe_load(load_contract(CONTRACT).text)
    for stream in data['observations'].values():
        if stream['topic'] == 'joint_states':
            stream['publishers'] = publishers
    path = folder / f'contract_{publishers}.yaml'
    path.write_text(yaml.safe_dump(data), encoding='utf-8')
    return path


def _bundle(folder: Path, contract: Contract, sizes: SecondPublisherSizes) -> Path:
    seeds = draw_seeds('demonstrations', sizes.demonstrations)
    save_dataset(in_process(seeds, contract), folder / 'dataset')
    train_bundle(folder / 'dataset', folder / 'bundle', sizes.training)
    return folder / 'bundle'


class _Bench:
    """One graph with one kind of second publisher."""

    def __init__(self, rig: Rig, other: Other, publishers: int) -> None:
        self._rig, self._other, self._publishers = rig, other, publishers
        self._rng = np.random.default_rng(len(other.name))
        self._limits = np.array(load_contract(CONTRACT).limits.velocity)
        self._share, self._true = 0.0, JointState()
        self._publisher: Any = None
        self._talks = False
        self._timer: Timer | None = None
        wire = WIRES['joints']
        rig.node.create_subscription(JointState, wire.source, self._on_joints, wire.qos)

    def trials(self, requests: int, drives: int) -> Iterator[Trial]:
        """Requests at rest, then drives."""
        self._rig.drive('policy', 0)  # the first answers of nodes that have just started come late
        self._rig.spin(1.0)
        yield from self._requests(requests // 2)
        for i in range(requests // 2, requests):
            yield self._request(_WHAT[i % 2])
        for i in range(drives):
            yield self._drive(i)

    def _requests(self, count: int) -> Iterator[Trial]:
        """Ask again and again while the other is there."""
        self._calm_down()
        with self._publishing():
            self._rig.spin(0.5)
            for i in range(count):
                self._rig.spin(self._rng.uniform(0.05, 0.3))
                self._begin()
                what = _WHAT[i % 2]
                answer = self._rig.request(_MODES[what])
                self._rig.spin(_AFTER if answer.success else 0.1)
                yield self._trial(what, granted=answer.success, reason=answer.message)
                if answer.success:
                    self._rig.tidy()

    def _request(self, what: str) -> Trial:
        """Ask while the other begins, or just before it does."""
        self._calm_down()
        before = self._rng.uniform(*_BEGINNING)
        self._begin()
        with self._publishing(quiet=before < 0):
            self._rig.spin(abs(before))
            answer = self._rig.request(_MODES[what])
            self._start()
            self._rig.spin(_AFTER)
        status = self._rig.referee.status
        if answer.success:  # nobody could know; but the arm is held no longer
            return self._trial(what, granted=status.mode == _MODES[what], reason=status.reason)
        return self._trial(what, granted=False, reason=answer.message)

    def _calm_down(self) -> None:
        """The arm stands, nobody drives, and what was published before is forgotten."""
        self._rig.tidy()
        self._rig.wait(lambda: self._rig.referee.speed < STANDING, 5.0)
        self._rig.spin(_CALM)

    def _drive(self, seed: int) -> Trial:
        """The other begins while the expert drives."""
        rig = self._rig
        for attempt in range(5):
            rig.drive('expert', seed + 100 * attempt)
            if rig.wait(lambda: rig.referee.speed > MOVING, 3.0):
                break
        rig.spin(self._rng.uniform(0.0, 0.5))
        self._begin()
        with self._publishing():
            rig.spin(2 * _AFTER)
        seen = rig.referee.judge()
        return self._trial('driving', granted=seen.driving, reason=seen.reason)

    def _begin(self) -> None:
        self._rig.referee.begin()
        self._share = 0.0

    def _trial(self, what: str, *, granted: bool, reason: str) -> Trial:
        violations = self._rig.referee.judge().violations
        trial = Trial(
            other=self._other.name,
            publishers=self._publishers,
            what=what,
            granted=granted,
            reason=reason,
            share=self._share,
            violations=violations,
        )
        return Trial(**{**vars(trial), 'failed': self._failure(trial)})

    @staticmethod
    def _failure(trial: Trial) -> str:
        if trial.violations or trial.share > TOLERANCE:
            return 'limits left'
        if _allowed(trial):
            return ''
        if trial.granted:
            return 'granted' if trial.what != 'driving' else 'not stopped'
        return '' if 'joint' in trial.reason else 'another reason'

    @contextmanager
    def _publishing(self, *, quiet: bool = False) -> Iterator[None]:
        """Be the second publisher; `quiet` until `_start`."""
        node = self._rig.node
        self._publisher = node.create_publisher(JointState, WIRES['joints'].topic, SENSOR_OUT)
        if not quiet:
            self._start()
        try:
            yield
        finally:
            publisher, self._publisher = self._publisher, None
            self._talks = False
            if self._timer is not None:
                node.destroy_timer(self._timer)
                self._timer = None
            node.destroy_publisher(publisher)

    def _start(self) -> None:
        self._talks = True
        if self._other.period and self._timer is None:
            self._timer = self._rig.node.create_timer(self._other.period, self._say)

    def _say(self) -> None:
        """Send a false message; a timer that was destroyed may still call."""
        if not self._talks or self._publisher is None:
            return
        false = self._other.distort(copy.deepcopy(self._true), self._rng)
        if false is not None:
            self._publisher.publish(false)

    def _on_joints(self, message: JointState) -> None:
        self._true = message
        moved = np.abs(np.array(message.velocity)[: len(self._limits)]) / self._limits
        self._share = max(self._share, float(moved.max()))
        if not self._other.period:
            self._say()


def _line(trial: Trial) -> str:
    verdict = f'FAILED ({trial.failed})' if trial.failed else 'passed'
    return (
        f'{trial.publishers} {trial.other}, {trial.what}: {trial.share:.2f} of the limit, '
        f'{"granted" if trial.granted else "refused"}, {verdict}; {trial.reason[:160]}'
    )


def table(trials: Sequence[dict[str, Any]]) -> str:
    """A Markdown table, one line for each kind and contract."""
    lines = [
        '| publishers allowed | second publisher | trials | refused or stopped | worst speed |'
    ]
    lines.append('|---|---|---|---|---|')
    for key in dict.fromkeys((trial['publishers'], trial['other']) for trial in trials):
        group = [trial for trial in trials if (trial['publishers'], trial['other']) == key]
        refused = sum(not trial['granted'] for trial in group)
        worst = max(trial['share'] for trial in group)
        lines.append(f'| {key[0]} | {key[1]} | {len(group)} | {refused} | {worst:.2f} x limit |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    """Run by hand."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.second_publisher')
    parser.add_argument('--requests', type=int, default=20)
    parser.add_argument('--drives', type=int, default=FULL.drives)
    parser.add_argument('--only', nargs='*', default=[], help='names of the kinds')
    options = parser.parse_args()
    unknown = set(options.only) - {other.name for other in OTHERS}
    if unknown:
        raise IlRosError(f'unknown {sorted(unknown)}', allowed=[other.name for other in OTHERS])
    sizes = SecondPublisherSizes(names=tuple(options.only), drives=options.drives)
    found = run(options.requests, sizes)
    print(table(found['trials']))
    with suppress(KeyError):
        print(json.dumps({key: found[key] for key in ('worst_speed_share', 'refused')}))


if __name__ == '__main__':
    raise SystemExit(guarded(main))
