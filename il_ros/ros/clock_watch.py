"""Whether the clock that observations are stamped by is this computer's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rclpy.node import Node

from il_ros.core.contract import Contract
from il_ros.core.stamp_delays import StampDelays
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.ros.managed_node import steady_timer

_PERIOD = 1.0  # s between two looks at the drift
_FEWEST = 5  # messages that a difference is told from
_FIX = 'synchronise the clocks of the two computers (chrony, PTP)'
_OTHER_TIME = 1e6  # s from which one of two times is simulated, or recorded


class ClockWatch:
    """Compares the header stamps of each topic with the moments of their receipt.

    A controller takes trajectories by the clock that its driver stamps with. One that is ahead by
    more than a trajectory begins in the future finds its begin past, one that is behind waits for
    it. So a difference forbids motion before any frame or trajectory is late for it:

    - ahead by more than `future`; the topic that paces the ticks, which stands for the controller's
      clock, by no more than a trajectory begins ahead (`action.output.ahead`) either;
    - behind by more than `frame_age`, for that topic alone: how old others may be, the contract
      says. It may as well be a driver that stamps late.

    Of the topic that paces the ticks, one message a second is enough for the former: a slow way
    hides a clock that is ahead, and makes none. Of others, every message has to be ahead.

    In simulated time the clock comes by a topic too, so one period more is allowed, and every
    message has to be ahead.

    Args:
        node: Owner of the timer.
        contract: How far in the future trajectories begin.
        delays: Of each topic, as its FrameSource keeps them.
        config: What the monitor allows.
        tell: Takes a line when a drift is noticed.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        delays: Mapping[str, StampDelays],
        config: MonitorConfig,
        tell: Callable[[str], None],
    ) -> None:
        self._simulated = simulated = bool(node.get_parameter('use_sim_time').value)
        self._pace = contract.streams[contract.clock].topic
        early, delay = config.future + contract.period * simulated, contract.command_delay
        self._ahead = dict.fromkeys(delays, early)
        if delay:
            self._ahead[self._pace] = min(early, delay + contract.period * simulated)
        self._behind = config.frame_age
        # Simulated time goes as fast as it likes.
        self._drifting = {} if simulated else dict.fromkeys(delays, False)
        self._delays, self._tell = delays, tell
        steady_timer(node, _PERIOD, self.look)

    def problems(self) -> Iterable[str]:
        """One text for each topic whose clock differs by more than is allowed."""
        for topic, delays in self._delays.items():
            if delays.count < _FEWEST:
                continue
            ahead = self._early(topic)
            if ahead > self._ahead[topic]:
                late = ', or trajectories come after their begin' * (topic == self._pace)
                yield (
                    f'{topic}: stamped {ahead:.3f} s ahead of the clock here, allowed '
                    f'{self._ahead[topic]:.3f} s{late}; {self._fix(ahead)}'
                )
            elif topic == self._pace and delays.least > self._behind:
                yield (
                    f'{topic}: stamped {delays.least:.3f} s behind the clock here, allowed '
                    f'{self._behind:.3f} s: the clocks differ, or its driver stamps late; '
                    f'{self._fix(delays.least)}'
                )

    def _fix(self, difference: float) -> str:
        """What helps where two clocks differ by so much [s]."""
        if difference < _OTHER_TIME:
            return _FIX
        return (
            f'one of the two times is simulated: use_sim_time is {str(self._simulated).lower()} '
            f'here, set it to {str(not self._simulated).lower()}, or that of the driver'
        )

    def remark(self) -> str:
        """What to say where a frame is too old or of the future: that its stamps always are so.

        Empty where the delays from stamp to receipt are below half of what is allowed.
        """
        delays = self._delays.get(self._pace)
        if delays is None or delays.count < _FEWEST:
            return ''
        if (
            delays.least < self._behind / 2
            and self._early(self._pace) < self._ahead[self._pace] / 2
        ):
            return ''
        return (
            f'{self._pace}: from stamp to receipt {delays.least:.3f} to {delays.largest:.3f} s in '
            'the last seconds: the clocks differ, or its driver stamps late'
        )

    def _early(self, topic: str) -> float:
        """By how much a topic is stamped ahead of the clock here [s]."""
        delays = self._delays[topic]
        paces = topic == self._pace and not self._simulated
        return delays.ahead if paces else -delays.largest

    def look(self) -> None:
        """Tell of a drift that begins."""
        for topic, before in self._drifting.items():
            drift = self._delays[topic].drift
            self._drifting[topic] = bool(drift)
            if drift and not before:
                self._tell(f'{_drift_text(topic, drift)}; {_FIX}')

    def warnings(self) -> Iterable[str]:
        """One text for each topic whose clock drifts."""
        for topic, drifting in self._drifting.items():
            if drifting:
                yield _drift_text(topic, self._delays[topic].drift)

    def values(self) -> dict[str, object]:
        """What was measured, for the diagnostics: from stamp to receipt, least and largest."""
        return {
            f'stamp to receipt {topic} [s]': f'{delays.least:.4f} .. {delays.largest:.4f}'
            for topic, delays in self._delays.items()
            if delays.count
        }


def _drift_text(topic: str, drift: float) -> str:
    rate = f'{60 * abs(drift):.4f} s a minute'
    return f'{topic}: its clock {"gains" if drift > 0 else "loses"} {rate} on the clock here'
