"""A contract with a joint that turns without end, and what its driver says."""

import math

from cdr_messages import joints

from il_ros.core.contract import parse_contract
from il_ros.core.frames import TopicDecoder

PERIOD = 50_000_000  # ns
TEXT = """
version: 1
name: test
base_frame: base
rate: 20.0
clock: position
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [turn, lean], rate: 20.0, align: {max_age: 0.2}}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [turn, lean], rate: 20.0}
  between: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
            names: [turn], rate: 20.0, align: {strategy: interpolate, latency: 0.02}}
action:
  names: [lean, turn]
  continuous: [turn]
  position: [lean_alone, turn_alone]
  velocity: [lean_speed, turn_speed]
  limits: {position_min: [-2, -3.1416], position_max: [2, 3.1416], velocity: [1.5, 2],
           acceleration: [10, 10], jerk: [100, 100]}
workspace: {min: [-1, -1, -1], max: [1, 1, 1]}
"""
for name in ('lean', 'turn'):
    TEXT = TEXT.replace(
        '  between:',
        f"""  {name}_alone: {{topic: joint_states, type: sensor_msgs/msg/JointState,
               fields: [position], names: [{name}], rate: 20.0}}
  {name}_speed: {{topic: joint_states, type: sensor_msgs/msg/JointState,
               fields: [velocity], names: [{name}], rate: 20.0}}
  between:""",
    )
CONTRACT = parse_contract(TEXT)


def wrapped(angle):
    """As a driver says it that keeps within pi."""
    return math.remainder(angle, 2 * math.pi)


def message(turn, lean=0.0, stamp=0):
    return joints(('lean', 'turn'), (lean, turn), velocity=(0.0, 0.0), stamp=stamp)


def decoder(*keys):
    streams = {key: CONTRACT.observations[key] for key in keys or ('position',)}
    return TopicDecoder(streams, 'base', continuous=CONTRACT.continuous)
