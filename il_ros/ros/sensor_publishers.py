"""What a simulated arm's drivers would publish, by the contract."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState

from il_ros.core.arms import arm_of
from il_ros.core.contract import Contract
from il_ros.core.decoders import Composite, decoder_for
from il_ros.core.errors import ContractError
from il_ros.core.limits import Array
from il_ros.ros.message_conversion import doubles, fill_stamp
from il_ros.ros.message_types import message_type
from il_ros.ros.qos import LATCHED, SENSOR_OUT

Values = Mapping[str, Array | None]

# Which of the simulator's observations of an arm fill a JointState, in the order of its joints.
_JOINT_PARTS = {
    'position': ('joint_position', 'gripper_position'),
    'velocity': ('joint_velocity', 'gripper_velocity'),
    'effort': ('joint_effort',),
}


class SensorPublishers:
    """One publisher for each topic of the contract's observations.

    Args:
        node: Owner of the publishers.
        contract: Says which topics there are.
        joints: Every joint of a published JointState, in the order of the arrays.
        leave_out: Topics that another one publishes.

    Raises:
        ContractError: On the first publication of an observation that the simulator lacks.
    """

    def __init__(
        self,
        node: Node,
        contract: Contract,
        joints: Sequence[str],
        leave_out: Collection[str] = (),
    ) -> None:
        self._contract, self._joints = contract, list(joints)
        arm = arm_of(contract)
        sides = [''] if arm is None else [limb.prefix for limb in arm.limbs]
        self._parts = {
            part: [side + key for side in sides for key in keys]
            for part, keys in _JOINT_PARTS.items()
        }
        self._keys = {
            topic: keys
            for topic, keys in contract.by_topic(contract.observations).items()
            if topic not in leave_out
        }
        self._publishers = {
            topic: node.create_publisher(
                message_type(contract.observations[keys[0]].type),
                topic,
                LATCHED if any(contract.observations[key].latched for key in keys) else SENSOR_OUT,
            )
            for topic, keys in self._keys.items()
        }

    def publish(self, values: Values, stamp: int) -> bool:
        """Publish one instant; a value of None is a lost sample: its topic stays silent.

        Gives whether the stream that paces the ticks was among what went out.
        """
        sent = False
        for topic, keys in self._keys.items():
            for key in keys:
                if key not in values:
                    raise ContractError(
                        'the simulator has no such observation', where=key, allowed=values
                    )
            sent = all(values[key] is not None for key in keys)
            if not sent:
                continue
            message = self._message(keys, values)
            frame_id = self._contract.frame_of(keys[0])
            if decoder_for(self._contract.observations[keys[0]].type).stamped:
                fill_stamp(message, stamp, frame_id)
            if child := self._contract.observations[keys[0]].child_frame_id:
                message.child_frame_id = child
            self._publishers[topic].publish(message)
        return sent

    def _message(self, keys: list[str], values: Values) -> Any:
        stream = self._contract.observations[keys[0]]
        decoder = decoder_for(stream.type)
        if not isinstance(decoder, Composite):
            return self._joint_state(values, stream.prefix)
        message = message_type(stream.type)()
        value = np.asarray(values[keys[0]], dtype=float)
        position = 0
        for part in stream.fields:
            path = decoder.path(part)
            target = attrgetter(path)(message) if path else message
            for leaf in decoder.parts[part]:
                setattr(target, leaf, float(value[position]))
                position += 1
        return message

    def _joint_state(self, values: Values, prefix: str) -> JointState:
        """The joints whose names begin with the prefix, under their names without it."""
        own = [i for i, name in enumerate(self._joints) if name.startswith(prefix)]
        message = JointState(name=[self._joints[i].removeprefix(prefix) for i in own])
        for part, keys in self._parts.items():
            arrays = [values.get(key) for key in keys]
            known = [array for array in arrays if array is not None]
            if len(known) == len(keys):
                setattr(message, part, doubles(np.concatenate(known)[own]))
        return message
