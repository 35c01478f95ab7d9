"""Episodes made up as arrays, for the steps that work on arrays: two arm joints and a finger."""

import numpy as np

from il_ros.core.contract import parse_contract
from il_ros.core.frames import NS
from il_ros.datasets.episode_arrays import EpisodeArrays, Event
from il_ros.datasets.manifest import EpisodeEntry

PERIOD = NS // 20
TEXT = """
version: 1
name: made
base_frame: base
rate: 20.0
clock: arm
observations:
  arm: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position], names: [a, b]}
  hand: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
         names: [finger]}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [a, b, finger]}
  goal: {topic: goal, type: geometry_msgs/msg/PointStamped, fields: [point], required: false}
privileged:
  truth: {topic: truth, type: geometry_msgs/msg/PointStamped, fields: [point]}
action:
  names: [a, b, finger]
  position: [arm, hand]
  velocity: [speed]
  limits: {position_min: [-1, -1, 0], position_max: [1, 1, 0.04], velocity: [1, 1, 0.2],
           acceleration: [10, 10, 10], jerk: [100, 100, 100]}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""
CONTRACT = parse_contract(TEXT)
FINGER = np.array([False, False, True])


def made(action, measured=None, *, steps=None, invalid=(), events=(), **entry):
    """An episode of these actions, shape (F, 3), of a joint (F,) alone, or of F frames at rest.

    Args:
        action: See above.
        measured: Measured joints, shape (F, 3); the actions, one frame later, if not given.
        steps: Time of each frame [periods]; 0, 1, 2, ... if not given.
        invalid: Pairs of a stream's key and the rows in which it is invalid.
        events: Pairs of kind and time [periods].
        entry: What its entry says besides.
    """
    action = np.zeros(action) if isinstance(action, int) else np.asarray(action, float)
    if action.ndim == 1:
        action = np.stack([action, np.zeros_like(action), np.zeros_like(action)], axis=1)
    frames = len(action)
    if measured is None:
        measured = np.concatenate([action[:1], action[:-1]])
    steps = np.arange(frames) if steps is None else np.asarray(steps)
    values = {
        'arm': measured[:, :2],
        'hand': measured[:, 2:],
        'speed': np.zeros((frames, 3)),
        'goal': np.zeros((frames, 3)),
        'truth': np.zeros((frames, 3)),
    }
    values = {key: array.astype(np.float32) for key, array in values.items()}
    valid = {key: np.ones(frames, bool) for key in values}
    for key, rows in invalid:
        valid[key][rows] = False
        values[key][rows] = np.nan
    action = action.astype(np.float32)
    return EpisodeArrays(
        entry=EpisodeEntry(**{'id': 'e', 'start': 0, 'length': frames, 'bag': '/bags/e'} | entry),
        values=values,
        valid=valid,
        age={key: np.zeros(frames, np.float32) for key in values},
        stamp=NS + np.round(steps * PERIOD).astype(np.int64),
        action=action,
        action_raw=action,
        source=np.ones(frames, np.uint8),
        events=tuple(
            Event(stamp=NS + round(time * PERIOD), kind=kind, text='') for kind, time in events
        ),
    )


def observation_matrix(dataset):
    """All observations of the contract side by side, float32 (F, D)."""
    return np.concatenate([dataset.values[key] for key in dataset.contract.observations], axis=1)
