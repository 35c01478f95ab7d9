"""Commands that come late on a graph in real time: simulator and monitor as processes of their own.

The source of `late_commands` drives. Each episode is a line in a file and is not run again.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from il_ros.msg import ActionChunk, MonitorStatus
from sensor_msgs.msg import JointState

from benchmarks.demonstrations import CONTRACT
from benchmarks.fault_kinds import LATE_SETTINGS, LATEST
from benchmarks.fault_referee import LIMITED, STANDING
from benchmarks.fault_rig import MODES, NO_SETTINGS, Rig
from benchmarks.late_commands import Swings
from benchmarks.live_graph import Lines
from il_ros.core import topics
from il_ros.core.contract import Contract, load_contract
from il_ros.core.joint_order import indices_of
from il_ros.core.robots.franka import FRANKA
from il_ros.ros.message_conversion import chunk_message, to_ns, to_seconds
from il_ros.ros.qos import CHUNKS, SENSOR_IN

EPISODES = 100
KINDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    'sending': NO_SETTINGS,
    'transit': LATE_SETTINGS,
    'transit_unset': NO_SETTINGS,
}
"""Settings of the nodes by kind: where commands are late; the last one is what nobody promises."""
PROMISED = ('sending', 'transit')
DRIVEN = 3.0
"""How long the source drives while commands are late [s]."""

_AFTER = 1.5  # s that the arm has to rest
_STOP = 3.0  # s until it does
_MOVING = 3.0  # s until it is under way
_BETWEEN = 0.1  # s between two pauses of the monitor
_DRIVER = 'expert'


class LiveSwings:
    """The source, in the place of the expert: it answers each message of the joints.

    Attributes:
        fastest: Largest share of a speed limit in these messages since it began.
    """

    def __init__(self, rig: Rig, contract: Contract) -> None:
        self._contract = contract
        self._swings: Swings | None = None
        self._order: list[int] = []
        self.fastest = 0.0
        node, topic = rig.node, f'/{topics.EXPERT_CHUNK}'
        self._publisher = node.create_publisher(ActionChunk, topic, CHUNKS)
        node.create_subscription(JointState, rig.referee.joints, self._answer, SENSOR_IN)

    def begin(self, rng: np.random.Generator) -> None:
        """Drive from now on."""
        self._swings, self.fastest = Swings(self._contract, FRANKA.home, rng), 0.0

    def end(self) -> None:
        """Fall silent."""
        self._swings = None

    def _answer(self, message: JointState) -> None:
        self._order = self._order or [*indices_of(self._contract.action.names, message.name)]
        position, speed = (np.array(x)[self._order] for x in (message.position, message.velocity))
        share = np.abs(speed) / self._contract.limits.velocity
        self.fastest = max(self.fastest, float(share.max()))
        if self._swings is None:
            return
        steps = self._swings.steps(to_seconds(message.header.stamp), position)
        stamp = to_ns(message.header.stamp)
        self._publisher.publish(chunk_message(self._contract, steps, stamp=stamp, source=_DRIVER))


def run(kind: str, episodes: int, folder: Path) -> list[dict[str, Any]]:
    """The episodes of one kind; those that the folder has already are not run again.

    Args:
        kind: One of `KINDS`: the monitor's process is stopped again and again, or the command topic
            is delayed.
        episodes: How many.
        folder: Where lines and what the nodes say are kept.
    """
    lines = Lines(folder / f'late_{kind}.jsonl')
    left = range(len(lines.all), episodes)
    if left:
        rig = Rig(
            Path(),
            folder / f'late_{kind}_log',
            nodes=('simulator', 'monitor'),
            relayed=() if kind == 'sending' else ('command',),
            settings=KINDS[kind],
        )
        with rig:
            source = LiveSwings(rig, load_contract(CONTRACT))
            for seed in left:
                lines.add({'seed': seed, **_episode(rig, source, kind, seed)})
                print(f'late {kind} {lines.all[-1]}', flush=True)
    return lines.all[:episodes]


def _episode(rig: Rig, source: LiveSwings, kind: str, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, [*KINDS].index(kind)])
    most = LATEST if rng.random() < 0.5 else float(rng.uniform(0.0, LATEST))
    often = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.1, 0.5))

    def late() -> float:
        return float(rng.uniform(0.0, most)) if rng.random() < often else 0.0

    source.begin(np.random.default_rng([seed, len(KINDS)]))
    rig.drive(_DRIVER, seed)
    rig.wait(lambda: rig.referee.speed > STANDING, _MOVING)
    rig.referee.begin()
    if kind != 'sending':
        rig.relay.delays['command'] = late
    driven = _drive(rig, late if kind == 'sending' else None)
    source.end()
    rig.wait(lambda: _stands(rig), _STOP + _AFTER)
    seen, at_rest = rig.referee.judge(), _stands(rig)
    rig.tidy()
    violations = {name: seen.violations.get(name, 0) for name in LIMITED}
    return {
        'violations': violations, 'speed': source.fastest, 'at_rest': at_rest, 'driven': driven,
        'most': most, 'often': often, 'reason': seen.reason,
    }  # fmt: skip


def _drive(rig: Rig, pause: Callable[[], float] | None) -> float:
    """Let the source drive, with pauses of the monitor; gives for how long it did [s]."""
    begin, driven = time.monotonic(), 0.0
    while (now := time.monotonic()) < begin + DRIVEN:
        if rig.referee.status.mode == MonitorStatus.ALARM and rig.referee.speed < STANDING:
            rig.request(MonitorStatus.IDLE, resume=True)
            rig.request(MODES[_DRIVER])
        if pause is not None and (seconds := pause()):
            rig.signal('monitor', signal.SIGSTOP)
            rig.spin(seconds)
            rig.go_on('monitor')
        rig.spin(_BETWEEN)
        if rig.referee.status.mode == MODES[_DRIVER]:
            driven += time.monotonic() - now
    return driven


def _stands(rig: Rig) -> bool:
    seen = rig.referee.judge()
    return seen.watched - seen.rest > _AFTER


def summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Figures of some episodes.

    Returns:
        `velocity`, physics steps above 1.05 times a speed limit, and the same of each other limit;
        `unrested` episodes; `speed`, the largest share in a message; `driven` [s].
    """
    return {
        **{name: sum(line['violations'][name] for line in lines) for name in LIMITED},
        'unrested': sum(not line['at_rest'] for line in lines),
        'speed': max(line['speed'] for line in lines),
        'driven': sum(line['driven'] for line in lines),
    }
