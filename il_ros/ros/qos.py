"""Quality of service by the kind of topic; each choice and its reason, once."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

# Best effort: takes from any publisher, and a late sample is worth nothing. Drivers choose theirs.
SENSOR_IN = qos_profile_sensor_data

# The same, where only the newest is looked at.
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)

# The same as sensors, where each sample is looked at: a queue that outlasts a busy moment at 1 kHz.
EVERY_SAMPLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)

# What our own simulator and nodes publish as sensors is reliable, so that both reliable and best
# effort subscribers match and a lock-step run loses nothing.
SENSOR_OUT = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
CHUNKS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)

# Only the newest command counts.
COMMAND = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)

# A state that a later subscriber gets as well.
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)

# The same, where what was before it counts as well: no change may be lost on the way.
STATUS = QoSProfile(
    depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)

# Nothing that happened may be lost.
EVENTS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
