"""A whole graph in processes of its own, with wires that can be tampered with."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import rclpy
from il_ros.msg import MonitorStatus, Takeover
from il_ros.srv import DiscardBefore, ResetWorld, SetMode
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from benchmarks.demonstrations import CONTRACT
from benchmarks.fault_referee import STANDING, Referee
from benchmarks.fault_relay import SENSING, WIRES, Relay, Wire, remappings
from il_ros.cli.running_graph import isolate
from il_ros.core import topics
from il_ros.core.errors import IlRosError
from il_ros.launching import packages
from il_ros.launching.child_process import Child, log_directory
from il_ros.launching.process_supervisor import ProcessSupervisor
from il_ros.ros.message_conversion import to_stamp
from il_ros.ros.spin import make_executor

NODES = ('simulator', 'expert', 'policy', 'monitor')
NO_SETTINGS: Mapping[str, Sequence[str]] = MappingProxyType({})
MODES = {'policy': MonitorStatus.POLICY, 'expert': MonitorStatus.EXPERT}
MOVING = 0.3  # joint speed from which the arm counts as under way [rad/s, m/s]
_START = 30.0  # s that a node may take to answer
_ENTRY = 25.0  # s that a mode may take to be granted: DDS forgets a killed monitor after 20
_AGAIN = 3.0  # s after which what was not answered is asked again
_GAP = 0.5  # s between two attempts of that
_Answer = Callable[[Any, Any], Any]
_LOOSE = 'allow_uncalibrated:=true'
# What is measured is the monitor, and not the controller manager behind it.
_UNLIMITED = 'enforce_command_limits:=false'
_OPTIONAL = 'command_limits:=optional'


class Rig:
    """Simulator in real time, expert, policy and monitor, or other nodes; as a context manager.

    Args:
        bundle: The policy's bundle.
        log: Folder for what the nodes say, and for the files of those that write some.
        contract: What the topics mean; the bundle has to be made for it.
        nodes: Which nodes run.
        relayed: Wires that can be tampered with.
        calibrated: Whether the bundle has thresholds for the monitor.
        settings: Further parameters by node.
    """

    def __init__(
        self,
        bundle: Path,
        log: Path,
        contract: Path = CONTRACT,
        *,
        nodes: Sequence[str] = NODES,
        relayed: Collection[str] = SENSING,
        calibrated: bool = False,
        settings: Mapping[str, Sequence[str]] = NO_SETTINGS,
    ) -> None:
        self._bundle, self._log, self._contract = bundle, log, contract
        self._nodes, self._settings = tuple(nodes), settings
        self._undo: list[Callable[[], object]] = []
        self._answers: dict[str, _Answer] = {}  # of services
        self._relayed, self._calibrated = relayed, calibrated
        self._children: dict[str, Child] = {}
        self._stopped: set[str] = set()

    def __enter__(self) -> Self:
        isolate()
        self._stack = ExitStack()
        self._supervisor = self._stack.enter_context(
            ProcessSupervisor(sink=log_directory(self._log))
        )
        try:
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
            self._stack.callback(rclpy.try_shutdown)
            self.node = Node('faults')
            self._stack.callback(self.node.destroy_node)
            self._executor = make_executor()
            self._executor.add_node(self.node)
            joints = WIRES['joints']
            self.relay = Relay(self.node, self._relayed)
            self.referee = Referee(
                node=self.node, joints=joints.source if 'joints' in self._relayed else joints.topic
            )
            self._takeover = self.node.create_publisher(Takeover, f'/{topics.TAKEOVER}', 10)
            self._reset = self.node.create_client(ResetWorld, '/simulator/reset')
            self._mode = self.node.create_client(SetMode, '/monitor/set_mode')
            self._discard = self.node.create_client(DiscardBefore, '/monitor/discard_before')
            for name in self._nodes:
                self.start(name)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end_stopped()
        self._stack.close()

    def start(self, name: str) -> None:
        """Start the process of one node."""
        simulated, files = 'use_sim_time:=true', self._log.resolve()
        contract, bundle = f'contract:={self._contract}', f'bundle:={self._bundle.resolve()}'
        settings = {
            'simulator': [contract, 'speed:=1.0', _UNLIMITED],
            'expert': [contract, simulated],
            'policy': [contract, simulated, bundle, 'device:=cpu'],
            'monitor': [
                contract,
                simulated,
                _OPTIONAL,
                *([bundle] if self._calibrated else [_LOOSE]),
            ],
            'recorder': [contract, simulated, f'directory:={files / "episodes"}'],
            'flight_recorder': [contract, simulated, f'directory:={files / "snapshots"}'],
            'coach': [contract, simulated, f'directory:={files / "coach"}'],
            'teleop': [contract, simulated, 'device:=twist'],
            'trainer': [f'root:={files}'],
        }[name]
        given = (*settings, *self._settings.get(name, ()))
        words = [word for each in given for word in ('-p', each)]
        path = packages.executable('il_ros', name, os.environ, 'faults')
        wires = remappings(name, self._relayed)
        self._children[name] = self._supervisor.start(
            name, [str(path), '--ros-args', *words, *wires], expect='anything'
        )

    def restart(self) -> None:
        """End every node at once and start all of them anew."""
        for name, child in self._children.items():
            if child.returncode is None:
                self.signal(name, signal.SIGKILL)
                child.wait(_START)
        self._stopped.clear()
        self.undo()
        for name in self._nodes:
            self.start(name)

    @property
    def processes(self) -> dict[str, int]:
        """Process of each node that lives."""
        return {name: one.pid for name, one in self._children.items() if one.returncode is None}

    def run(self, argv: Sequence[str]) -> Child:
        """Start a process that is no node."""
        return self._supervisor.start('load', argv, expect='anything')

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a node's process."""
        os.kill(self._children[name].pid, number)
        if number == signal.SIGSTOP:
            self._stopped.add(name)

    def end_stopped(self) -> None:
        """End every stopped process: its peers gave it up, and DDS may not find it again."""
        for name in self._stopped:
            with suppress(ProcessLookupError):
                os.kill(self._children[name].pid, signal.SIGKILL)
            self._children[name].wait(_START)
        self._stopped.clear()

    def go_on(self, name: str) -> None:
        """Let a stopped process go on."""
        self.signal(name, signal.SIGCONT)
        self._stopped.discard(name)

    def hold(self, held: bool, *, stamp: int | None = None) -> None:
        """Say whether the operator holds the enable switch, as read at `stamp` [ns], or now."""
        message = Takeover(held=held)
        message.header.stamp = to_stamp(self.referee.stamp if stamp is None else stamp)
        self._takeover.publish(message)

    def undo(self) -> None:
        """Undo what a fault did to the wires, and what it left to be undone."""
        self.relay.restore()
        while self._undo:
            self._undo.pop()()

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Do something again and again, as long as the fault lasts."""
        timer = self.node.create_timer(seconds, work)
        self._undo.append(lambda: self.node.destroy_timer(timer))

    def publisher(self, wire: Wire, topic: str) -> Any:
        """Another publisher of a wire's messages, as long as the fault lasts."""
        publisher = self.node.create_publisher(wire.kind, topic, wire.qos)
        self._undo.append(lambda: self.node.destroy_publisher(publisher))
        return publisher

    def service(self, kind: Any, name: str, answer: _Answer, afterwards: _Answer) -> None:
        """A service that answers so as long as the fault lasts, and otherwise after it."""
        if name not in self._answers:
            self.node.create_service(kind, name, lambda asked, to: self._answer(name, asked, to))
        self._answers[name] = answer
        self._undo.append(lambda: self._answers.update({name: afterwards}))

    def _answer(self, name: str, request: Any, response: Any) -> Any:
        return self._answers[name](request, response)

    def spin(self, seconds: float) -> None:
        """Serve the wires for a while [s of the wall]."""
        self.wait(lambda: False, seconds)

    def wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Serve the wires until something is so, or for so long; gives whether it is."""
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(left, 0.05))
        return True

    def drive(self, mode: str, seed: int) -> None:
        """Begin an episode with this driver.

        Raises:
            IlRosError: If the arm does not come to rest, or the monitor refuses.
        """
        self.tidy()
        stamp = self._call(self._reset, ResetWorld.Request(seed=seed), _START).stamp
        self._call(self._discard, DiscardBefore.Request(stamp=stamp), _START)
        self._enter(SetMode.Request(mode=MODES[mode]))

    def tidy(self) -> None:
        """Undo what a fault did; the arm rests and nobody drives."""
        self.undo()
        self.end_stopped()
        for name, child in self._children.items():
            if child.returncode is not None:
                self.start(name)
        if self.referee.status.mode in MODES.values():
            with suppress(IlRosError):  # it may have found a reason to stop in the meantime
                self._call(self._mode, SetMode.Request(mode=MonitorStatus.HOLD), _START)
        self.wait(lambda: self.referee.speed < STANDING, 3.0)
        self._enter(SetMode.Request(mode=MonitorStatus.IDLE, resume=True))

    def request(self, mode: int, *, resume: bool = False) -> SetMode.Response:
        """Ask the monitor for a mode; gives its answer, also a refusal."""
        future = self._mode.call_async(SetMode.Request(mode=mode, resume=resume))
        if not self.wait(future.done, _START):
            raise IlRosError(f'no answer within {_START} s', where=self._mode.srv_name)
        return future.result()

    def _enter(self, request: SetMode.Request) -> None:
        end = time.monotonic() + _ENTRY
        while True:
            try:
                self._call(self._mode, request, _START)
            except IlRosError:
                if time.monotonic() > end:
                    raise
                self.spin(_GAP)
            else:
                return

    def _call(self, client: Any, request: Any, timeout: float) -> Any:
        where = client.srv_name
        if not self.wait(client.service_is_ready, timeout):
            raise IlRosError(f'no service after {timeout} s', where=where, fix=f'see {self._log}')
        # A server that has just started may lose its first answers, and one that was killed is
        # known for a while all the same.
        for _ in range(round(timeout / _AGAIN)):
            future = client.call_async(request)
            if self.wait(future.done, _AGAIN):
                response = future.result()
                if not response.success:
                    raise IlRosError(response.message, where=where)
                return response
        raise IlRosError(f'no answer within {timeout} s', where=where, fix=f'see {self._log}')
