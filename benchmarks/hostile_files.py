"""Files that are made to break what reads them: bundles at running nodes, and bombs.

Run by itself, ``python -m benchmarks.hostile_files``, it names every one that was not refused as it
should be.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import rclpy
from il_ros.msg import MonitorStatus
from il_ros.srv import LoadPolicy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from benchmarks.malformed_bundles import garbage, kinds
from benchmarks.rows import RUNS, Row
from il_ros.algorithms.bc import BcConfig, train_bc
from il_ros.calibration.calibrate import CalibrationConfig, calibrate
from il_ros.calibration.fit_scores import fit_bank
from il_ros.cli.main import guarded
from il_ros.cli.running_graph import isolate
from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.launching import packages
from il_ros.launching.child_process import Child, log_directory
from il_ros.launching.process_supervisor import ProcessSupervisor
from il_ros.policies.bundle import Bundle, Training
from il_ros.policies.bundle_writer import save_bundle, save_threshold
from il_ros.policies.mlp import MlpConfig
from il_ros.rollouts.demonstrations import demonstrate
from il_ros.ros.qos import CHUNKS
from il_ros.ros.spin import make_executor

CONTRACT = Path(__file__).parents[1] / 'config/contracts/franka_reach.yaml'
LOADERS = ('policy', 'monitor')
QUICK = 2.0  # s within which a malformed bundle has to be refused
_CHANNELS = (
    ('look', 'clustered_mahalanobis', 'observation'),
    ('answer', 'tce', 'observation'),
)
_PATIENCE = 30.0  # s after which a load counts as not answered
_HARMLESS = ('training 1',)  # what may be loaded after all: it says no more than where it is from


@dataclass(frozen=True, kw_only=True)
class HostileSizes:
    """How much of everything.

    Attributes:
        every: One in so many malformed bundles is loaded.
        garbage: Paths that are no bundles.
    """

    every: int = 1
    garbage: int = 100


FULL = HostileSizes()
SMOKE = HostileSizes(every=12, garbage=3)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a node said to one load.

    Attributes:
        node: Which node.
        kind: What was loaded.
        seconds: Until its answer came [s]; infinite without one.
        loaded: Whether it took the bundle.
        message: Its words.
        gap: Longest silence of the monitor meanwhile [s].
    """

    node: str
    kind: str
    seconds: float
    loaded: bool
    message: str
    gap: float

    @property
    def survived(self) -> bool:
        """Whether it was refused in time, with a reason and without a traceback."""
        reason = bool(self.message) and 'Traceback' not in self.message
        return self.seconds <= QUICK and (reason or self.kind in _HARMLESS)


def run(
    sizes: HostileSizes = FULL, folder: Path = RUNS / 'hostile_files', **_: Any
) -> Iterator[Row]:
    """The figures of the group `gate` that come from here."""
    from benchmarks.file_bombs import refuse_all

    answers, alive = load_all(sizes, folder / 'bundles')
    lost = [answer for answer in answers if not answer.survived]
    yield Row(
        name='malformed_bundles_survived',
        value=(len(answers) - len(lost)) / len(answers) if alive else 0.0,
        unit='share',
        target=1.0,
        better='more',
        how=f'{len({a.kind for a in answers})} malformed bundles and paths, loaded by a running '
        f'policy and monitor; each refused within {QUICK:g} s, both nodes work afterwards; slowest '
        f'{max(a.seconds for a in answers):.2f} s, longest silence of the monitor '
        f'{max(a.gap for a in answers):.2f} s',
    )
    blasts = refuse_all(folder / 'bombs', every=sizes.every)
    yield Row(
        name='bombs_refused_s_max',
        value=max(blast.seconds if blast.refused else float('inf') for blast in blasts),
        unit='s',
        target=2.0,
        better='less',
        how=f'{len(blasts)} bombs (YAML, JSON, XML, archives, images), each in a process of its '
        f'own; most memory {max(blast.megabytes for blast in blasts):.0f} MB',
    )


def load_all(sizes: HostileSizes, folder: Path) -> tuple[list[Answer], bool]:
    """Load everything into running nodes; gives the answers, and whether the nodes still work."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sound = make_sound_bundle(folder / 'sound')
    answers = []
    with LiveNodes(folder / 'log') as nodes:
        for node in LOADERS:
            nodes.require_loaded(node, sound)
        chosen = list(kinds().items())[:: sizes.every]
        for name, change in chosen:
            path = folder / 'malformed'
            shutil.copytree(sound, path)
            change(path)
            answers += [nodes.load(node, str(path), name) for node in LOADERS]
            shutil.rmtree(path)
        for text in garbage()[: sizes.garbage]:
            answers += [nodes.load(node, text, repr(text)) for node in LOADERS]
        return answers, nodes.work(sound)


def make_sound_bundle(path: Path) -> Path:
    """A calibrated bundle of a policy that has hardly learned anything, within seconds."""
    contract = load_contract(CONTRACT)
    data = demonstrate(contract, 'reach', range(40))
    config = BcConfig(policy=MlpConfig(hidden_dims=(32,)), epochs=1, device='cpu')
    policy = train_bc(data, config).policy
    training = Training(
        algorithm='bc', config={}, metrics={}, data_hash='', episodes=(), seeds=(), held_out=()
    )
    scores = fit_bank(policy, data, range(20), _CHANNELS)
    bundle = Bundle(policy=policy, training=training, scores=scores)
    save_bundle(bundle, path)
    limit = calibrate(
        scores,
        policy,
        data,
        range(20, 40),
        source='demonstrations',
        policy_id=bundle.policy_id,
        config=CalibrationConfig(alpha=0.1),
    )
    save_threshold(path, bundle, limit)
    return path


class LiveNodes:
    """Simulator, policy and monitor in processes of their own; as a context manager."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._children: dict[str, Child] = {}
        self._seen = self._gap = 0.0

    def __enter__(self) -> Self:
        isolate()
        self._stack = ExitStack()
        supervisor = self._stack.enter_context(ProcessSupervisor(sink=log_directory(self._log)))
        try:
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
            self._stack.callback(rclpy.try_shutdown)
            self._node = Node('hostile_files')
            self._stack.callback(self._node.destroy_node)
            self._executor = make_executor()
            self._executor.add_node(self._node)
            self._node.create_subscription(
                MonitorStatus, f'/{topics.MONITOR_STATUS}', self._on_status, CHUNKS
            )
            self._clients = {
                name: self._node.create_client(LoadPolicy, f'/{name}/load') for name in LOADERS
            }
            for name in ('simulator', *LOADERS):
                settings = ['speed:=1.0'] if name == 'simulator' else ['use_sim_time:=true']
                words = [w for each in (f'contract:={CONTRACT}', *settings) for w in ('-p', each)]
                path = packages.executable('il_ros', name, os.environ, 'hostile files')
                self._children[name] = supervisor.start(
                    name, [str(path), '--ros-args', *words], expect='anything'
                )
            for client in self._clients.values():
                if not self._wait(client.service_is_ready, _PATIENCE):
                    raise IlRosError('no service', where=client.srv_name, fix=f'see {self._log}')
            if not self._wait(lambda: self._seen > 0.0, _PATIENCE):
                raise IlRosError('the monitor says nothing', fix=f'see {self._log}')
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def load(self, name: str, path: str, kind: str) -> Answer:
        """Ask a node to load what is at a path."""
        begin = self._seen = time.monotonic()
        self._gap = 0.0
        future = self._clients[name].call_async(LoadPolicy.Request(path=path))
        answered = self._wait(future.done, _PATIENCE)
        end = time.monotonic()
        response = future.result() if answered else None
        return Answer(
            node=name,
            kind=kind,
            seconds=end - begin if answered else float('inf'),
            loaded=bool(response and response.success),
            message=response.message if response else '',
            gap=max(self._gap, end - self._seen),
        )

    def require_loaded(self, name: str, path: Path) -> None:
        """Load a sound bundle.

        Raises:
            IlRosError: If the node refuses it.
        """
        answer = self.load(name, str(path), 'sound')
        if not answer.loaded:
            raise IlRosError(answer.message or 'no answer', where=name, fix=f'see {self._log}')

    def work(self, sound: Path) -> bool:
        """Whether every node runs, loads a sound bundle, and the monitor ticks."""
        running = all(child.returncode is None for child in self._children.values())
        loaded = running and all(self.load(name, str(sound), 'sound').loaded for name in LOADERS)
        seen = self._seen
        return loaded and self._wait(lambda: self._seen > seen, 5.0)

    def _on_status(self, _: MonitorStatus) -> None:
        now = time.monotonic()
        self._gap, self._seen = max(self._gap, now - self._seen), now

    def _wait(self, done: Any, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True


def main() -> int:
    """Load everything, and say what was not refused as it should be."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.hostile_files', description=__doc__)
    parser.add_argument('--smoke', action='store_true', help='a few of them')
    options = parser.parse_args()
    sizes = SMOKE if options.smoke else FULL
    with tempfile.TemporaryDirectory(prefix='il_ros_hostile_') as folder:
        answers, alive = load_all(sizes, Path(folder))
    for answer in answers:
        if not answer.survived or answer.seconds > 0.5 * QUICK:
            print(f'{answer.node}, {answer.kind}: {answer.seconds:.2f} s, loaded {answer.loaded}: '
                  f'{answer.message[:200]}')  # fmt: skip
    lost = sum(not answer.survived for answer in answers)
    print(f'{len(answers)} loads, {lost} lost; slowest {max(a.seconds for a in answers):.2f} s, '
          f'longest silence {max(a.gap for a in answers):.2f} s, alive {alive}')  # fmt: skip
    return 1 if lost or not alive else 0


if __name__ == '__main__':
    raise SystemExit(guarded(main))
