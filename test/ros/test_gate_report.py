"""The status of the monitor says each thing once."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from il_ros.nodes.monitor_node import MonitorNode
from il_ros.ros.diagnostics import OK, WARN


@pytest.mark.parametrize(
    ('problems', 'text', 'said'),
    [
        ([], 'ready', 'ready'),
        (['no limits'], 'no limits', 'no limits'),
        (['no limits', 'alone'], 'no limits; alone', 'no limits; alone'),
        (['no limits', 'alone'], 'frame: no limits', 'alone; frame: no limits'),
        (['no limits'], 'ready', 'no limits; ready'),
    ],
)
def test_what_the_last_tick_says_is_not_said_twice(problems, text, said):
    quiet = SimpleNamespace(values=dict, warnings=list, problems=list)
    node = SimpleNamespace(
        _tick_report=lambda: (OK, text, {}),
        _problems=lambda: problems,
        _clocks=quiet,
        _sender=quiet,
        _limits=quiet,
        _command_topics=[],
        failures=quiet,
    )
    level, message, _ = MonitorNode._full_report(node)
    assert message == said
    assert level == (WARN if problems else OK)
