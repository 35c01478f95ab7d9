"""The teleoperation node: an operator is the expert, by an input device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.task import Future

from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.experts.teleop.device_reading import DeviceReading, Press
from il_ros.experts.teleop.devices import load_config, make_device, make_pilot
from il_ros.experts.teleop.keyboard import KeyboardConfig, help_text
from il_ros.experts.teleop.operator import Operator
from il_ros.msg import ActionChunk, Takeover
from il_ros.ros.device_input import DeviceInput
from il_ros.ros.diagnostics import OK, WARN, Report, publish_diagnostics
from il_ros.ros.frame_source import FrameSource
from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.message_conversion import chunk_message, chunk_positions, fill_stamp, to_ns
from il_ros.ros.node_parameters import declare, setting
from il_ros.ros.qos import CHUNKS, EVENTS
from il_ros.ros.spin import run_node
from il_ros.srv import StartEpisode, StopEpisode

_OUTCOMES: dict[Press, int] = {
    'success': StopEpisode.Request.SUCCESS,
    'failure': StopEpisode.Request.FAILURE,
    'discard': StopEpisode.Request.DISCARDED,
}
_WATCH = 0.02  # s
_TELL = 0.015  # s between two messages of an enable switch that does not change
_FRESH = 0.5  # s that a command is remembered for


@dataclass(frozen=True, kw_only=True)
class TeleopConfig:
    """Parameters of the teleoperation node."""

    contract: str = setting('', 'Contract file.')
    device: str = setting('joy', 'What the operator holds: joy, twist, leader or keyboard.')
    config: str = setting('', 'Configuration of the device (config/teleop); empty: its defaults.')
    timeout: float = setting(
        0.2, 'Longest silence of the device before it counts as let go [s].', low=0.02, high=2.0
    )
    horizon: int = setting(4, 'Steps of a chunk.', low=2, high=100)
    task: str = setting('', 'Task of the episodes that the start button begins.')


class TeleopNode(ManagedNode):
    """Publishes the enable switch, and a chunk for each frame while it is held."""

    def __init__(self) -> None:
        super().__init__('teleop')
        self._config = declare(self, TeleopConfig)
        self._input: DeviceInput | None = None

    def configure(self) -> None:
        """Read contract and device; subscribe; nothing is published yet."""
        self._contract = contract = load_contract(self._config.contract)
        config = load_config(self._config.device, self._config.config)
        self._device = make_device(config, contract)
        self._operator = Operator(
            make_pilot(config, contract, self._config.horizon),
            timeout=self._config.timeout,
            period=contract.period,
            horizon=self._config.horizon,
            forget=self._device.reset,
        )
        self._commanded: tuple[int, NDArray[np.float64]] | None = None
        self._said, self._told, self._refusal = False, 0.0, ''
        self._ignored: tuple[str, ...] = ()
        self._chunks = self.create_publisher(ActionChunk, topics.EXPERT_CHUNK, CHUNKS)
        self._takeover = self.create_publisher(Takeover, topics.TAKEOVER, EVENTS)
        self._start = self.create_client(StartEpisode, 'recorder/start')
        self._stop = self.create_client(StopEpisode, 'recorder/stop')
        executed = contract.action.executed
        self.create_subscription(ActionChunk, executed, self._on_executed, CHUNKS)
        source = FrameSource(self, contract, self._on_frame, contract.action.position)
        self._input = DeviceInput(self, self._device, self._on_reading, self._on_problem)
        steady_timer(self, _WATCH, self._watch)
        publish_diagnostics(
            self, 'device', self._report, hardware_id=contract.name, topics=source.heard
        )
        if isinstance(config, KeyboardConfig):
            self.get_logger().info(f'the keys:\n{help_text(config.keys)}')

    def deactivate(self) -> None:
        """Let go of the arm."""
        self._operator.lose()
        if self._said:
            self._say(False, self._now())

    def release(self) -> None:
        """Give the terminal back."""
        if self._input is not None:
            self._input.close()
            self._input = None

    def _now(self) -> float:
        return float(self.get_clock().now().nanoseconds) / NS

    def _on_reading(self, reading: DeviceReading) -> None:
        if not self.active:
            return
        self._operator.hear(reading, self._now())
        self._tell()
        self._tell_ignored(reading)
        for press in reading.pressed:
            self._press(press)

    def _press(self, press: Press) -> None:
        """Begin an episode, or end it with an outcome; other buttons are not for the recorder."""
        if press == 'start':
            self._ask(press, self._start, StartEpisode.Request(task=self._config.task))
        elif press in _OUTCOMES:
            reason = f'the operator pressed {press}'
            request = StopEpisode.Request(outcome=_OUTCOMES[press], reason=reason)
            self._ask(press, self._stop, request)

    def _ask(self, press: Press, client: Any, request: Any) -> None:
        """Ask the recorder for what is pressed, and log what it answers."""
        log = self.get_logger()
        if not client.service_is_ready():
            log.error(f'{press} is lost: no recorder answers at {client.srv_name}')
            return

        def answered(future: Future) -> None:
            answer = future.result()
            if answer is None or not answer.success:
                why = answer.message if answer else 'no answer'
                log.error(f'{press} is refused by the recorder: {why}')
            else:
                log.info(f'{press}: {answer.path} {answer.message}'.rstrip())

        self.when_answered(client.call_async(request), answered)

    def _on_problem(self, problem: IlRosError) -> None:
        self.get_logger().error(f'nothing is commanded: {problem}', throttle_duration_sec=5.0)
        self.deactivate()

    def _on_executed(self, message: ActionChunk) -> None:
        rows = chunk_positions(message)
        if len(rows) and tuple(message.names) == self._contract.action.names:
            self._commanded = to_ns(message.header.stamp), rows[-1]

    def _on_frame(self, frame: Frame) -> None:
        joints = self._contract.action.position
        if not (self.active and frame.all_valid(joints)):
            return
        rows = self._operator.act(
            frame.stamp,
            frame.vector(joints),
            self._now(),
            commanded=self._still_commanded(frame.stamp),
        )
        if rows is not None:
            chunk = chunk_message(self._contract, rows, stamp=frame.stamp, source='expert')
            self._chunks.publish(chunk)
        self._tell()
        self._tell_refusal()

    def _still_commanded(self, stamp: int) -> NDArray[np.float64] | None:
        if self._commanded is None or not 0 <= stamp - self._commanded[0] <= _FRESH * NS:
            return None
        return self._commanded[1]

    def _watch(self) -> None:
        if self.active:
            self._operator.look(self._now())
            self._tell()

    def _tell(self) -> None:
        """Publish whether the enable switch is held; for a silent device, once that it is not."""
        asking, read = self._operator.asking, self._operator.read
        if read is None:
            if self._said:
                self._say(False, self._now())
                why = self._operator.refusal or 'the device is silent'
                self.get_logger().warning(f'the arm is let go: {why}')
        elif asking != self._said or not 0.0 <= read - self._told < _TELL:
            self._say(asking, read)

    def _say(self, held: bool, read: float) -> None:
        device = self.get_fully_qualified_name()
        message = Takeover(device=device, held=held, lost=self._operator.lost)
        self._operator.lost = False
        self._takeover.publish(fill_stamp(message, round(read * NS)))
        self._said, self._told = held, read

    def _tell_ignored(self, reading: DeviceReading) -> None:
        """Log each time that the enable switch is pressed which axes do not count."""
        ignored = reading.ignored if reading.held else ()
        if ignored and not self._ignored:
            self.get_logger().warning(_ignored_text(ignored))
        self._ignored = ignored

    def _tell_refusal(self) -> None:
        refusal = self._operator.refusal
        if refusal and refusal != self._refusal:
            self.get_logger().warning(f'no takeover, let go and try again: {refusal}')
        self._refusal = refusal

    def _report(self) -> Report:
        operator, read = self._operator, self._operator.read
        values: dict[str, object] = {'device': self._config.device, 'held': operator.asking}
        if hasattr(self._device, 'speed_fraction'):
            values['speed'] = f'{self._device.speed_fraction:.2f}'
        if operator.refusal:
            return WARN, operator.refusal, values
        if read is None:
            return WARN, 'the device is silent', values
        if self._ignored:
            return WARN, _ignored_text(self._ignored), values
        return OK, 'held' if operator.asking else 'let go', values


def _ignored_text(axes: tuple[str, ...]) -> str:
    return f'not in its dead zone yet, so it does not count: {", ".join(axes)}'


main = partial(run_node, TeleopNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
