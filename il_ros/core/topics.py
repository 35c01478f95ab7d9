"""Names and types of the package's own topics; those of the robot are in the contract.

All names are relative: a node's namespace and remappings apply.
"""

from __future__ import annotations

POLICY_CHUNK = 'policy/action_chunk'
POLICY_HASH = 'policy/hash'
EXPERT_CHUNK = 'expert/action_chunk'
EXPERT_LABEL = 'expert/label'
MONITOR_STATUS = 'monitor/status'
MONITOR_SCORES = 'monitor/scores'
TAKEOVER = 'expert/takeover'
EVENTS = 'events'
TASK_STATE = 'task_state'
COACH_STATUS = 'coach/status'

TYPES = {
    POLICY_CHUNK: 'il_ros/msg/ActionChunk',
    EXPERT_CHUNK: 'il_ros/msg/ActionChunk',
    EXPERT_LABEL: 'il_ros/msg/ActionChunk',
    MONITOR_STATUS: 'il_ros/msg/MonitorStatus',
    MONITOR_SCORES: 'il_ros/msg/MonitorScores',
    TAKEOVER: 'il_ros/msg/Takeover',
    EVENTS: 'il_ros/msg/EpisodeEvent',
    TASK_STATE: 'il_ros/msg/TaskState',
    COACH_STATUS: 'il_ros/msg/CoachStatus',
}
"""Type of each topic that is recorded, as a contract would write it."""

MODES = ('idle', 'hold', 'policy', 'expert', 'alarm', 'fallback')
"""Names of the mode constants of msg/MonitorStatus.msg, in their order."""

CHUNK_SOURCES = ('none', *MODES[1:])
"""Names of the source constants of msg/ActionChunk.msg, in their order."""

FAULTS = (
    'none', 'chunk', 'frame', 'deadline', 'clock', 'frozen', 'joint_limit', 'speed', 'tracking',
    'workspace', 'keep_out', 'separation', 'force', 'takeover', 'jump', 'plan', 'internal',
)  # fmt: skip
"""Names of the fault constants of msg/MonitorStatus.msg, in their order."""


def name_of(code: int, names: tuple[str, ...]) -> str:
    """The name of a constant; `unknown (code)` for a number that has none."""
    return names[code] if 0 <= code < len(names) else f'unknown ({code})'
