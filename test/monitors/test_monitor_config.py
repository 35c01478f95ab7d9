"""Settings: their ranges, and what a ROS descriptor needs of them."""

from dataclasses import fields

import pytest

from il_ros.core.errors import IlRosError
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.ros.node_parameters import attribute_texts


def test_every_setting_can_be_described():
    texts = attribute_texts(MonitorConfig)
    for setting in fields(MonitorConfig):
        assert texts[setting.name].endswith('.')
        value = setting.default
        if not isinstance(value, bool):
            assert setting.metadata['min'] <= value <= setting.metadata['max']


def test_out_of_range():
    with pytest.raises(IlRosError, match=r'frame_age: -1 is out of range; allowed: 0.0 .. 10.0'):
        MonitorConfig(frame_age=-1)
    with pytest.raises(IlRosError, match='chunk_age: nan is out of range'):
        MonitorConfig(chunk_age=float('nan'))
    with pytest.raises(IlRosError, match='trigger_count: 6 is more than trigger_window 5'):
        MonitorConfig(trigger_count=6)


def test_the_least_lead_is_no_longer_than_the_longest():
    MonitorConfig(least_command_lead=0.5)
    with pytest.raises(IlRosError, match=r'least_command_lead: 0.4 is more than command_lead 0.3'):
        MonitorConfig(least_command_lead=0.4, command_lead=0.3)
