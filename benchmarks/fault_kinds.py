"""What can go wrong on the graph, each as one function that makes it so."""

from __future__ import annotations

import copy
import math
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters

from benchmarks.fault_relay import SENSING, WIRES, Change
from benchmarks.fault_rig import MOVING, Rig
from il_ros.core.frames import NS
from il_ros.ros.message_conversion import to_ns, to_stamp
from il_ros.ros.parameter_question import SERVICE

Inject = Callable[[Rig, np.random.Generator], None]
STARVED = 2.0  # s that the processor is kept busy
LATEST = 0.3  # s that a command is late at most
_INTAKE = 0.1  # s that relay and controller may take on a busy machine, in addition
_MANAGER = 'robot/controller_manager'
_BEAT = 0.05  # s between two messages of the operator's device
_DOWN = 0.5  # s that a driver needs to come back
_DRIFT = 0.2  # s that a drifting clock gains in a second
_ALL = (*SENSING, 'command')
LATE_SETTINGS = {
    'simulator': ('enforce_command_limits:=true',),
    'monitor': ('command_limits:=required', f'least_command_lead:={LATEST + _INTAKE}'),
}
"""By node, for commands that are late in transit: docs/explanation/monitor.md."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong while the arm moves.

    Attributes:
        name: Short name, unique.
        inject: Makes it so; it stays so until the rig is tidied up.
        driver: Who drives when it happens.
        limit: In how many seconds the arm has to stand.
        rides: Whether going on within the limits is as good as a stop; then `limit` counts from
            when the monitor stopped.
        moving: Joint speed from which the arm counts as under way before it [rad/s, m/s].
        unpromised: Limits that the docs do not promise for it; the table shows them all the same.
        mute: Whether nobody is left who could give the reason.
        settings: Parameters that nodes have for it.
        relayed: Wires that it changes, or may change.
        prepare: What has to be done first, while the arm moves already.
    """

    name: str
    inject: Inject
    driver: str = 'policy'
    limit: float = 1.0
    rides: bool = False
    moving: float = MOVING
    unpromised: Sequence[str] = ()
    mute: bool = False
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    relayed: tuple[str, ...] = SENSING
    prepare: Callable[[Rig], bool] = lambda rig: True


def _signal(node: str, number: int) -> Inject:
    return lambda rig, rng: rig.signal(node, number)


def _tamper(wire: str, make: Callable[[np.random.Generator], Change]) -> Inject:
    def inject(rig: Rig, rng: np.random.Generator) -> None:
        rig.relay.changes[wire] = make(rng)

    return inject


def _always(change: Change) -> Callable[[np.random.Generator], Change]:
    return lambda rng: change


def _nan_chunk(message: Any) -> Any:
    message.positions[len(message.positions) // 2] = math.nan
    return message


def _swapped_names(message: Any) -> Any:
    message.names = [message.names[1], message.names[0], *message.names[2:]]
    return message


def _other_contract(message: Any) -> Any:
    message.contract_hash = message.contract_hash[::-1]
    return message


def _stamped(seconds: float) -> Change:
    def change(message: Any) -> Any:
        stamp = to_ns(message.header.stamp) + round(seconds * NS)
        message.header.stamp = to_stamp(max(stamp, 0))
        return message

    return change


def _jump(rng: np.random.Generator) -> Change:
    joint, size = int(rng.integers(7)), float(rng.choice([-1.0, 1.0]))

    def change(message: Any) -> Any:
        n = len(message.names)
        for i in range(joint, len(message.positions), n):
            message.positions[i] += size
        return message

    return change


def _clock(seconds: float) -> Change:
    def change(message: Any) -> Any:
        message.clock = to_stamp(max(to_ns(message.clock) + round(seconds * NS), 0))
        return message

    return change


def _lossy(rng: np.random.Generator) -> Change:
    return lambda message: message if rng.random() < 0.5 else None


def _frozen(_: np.random.Generator) -> Change:
    first: list[Any] = []

    def change(message: Any) -> Any:
        first.append(message)
        for part in ('position', 'velocity', 'effort'):
            setattr(message, part, getattr(first[0], part))
        return message

    return change


def _nan_joint(rng: np.random.Generator) -> Change:
    joint = int(rng.integers(8))

    def change(message: Any) -> Any:
        message.position[joint] = math.nan
        return message

    return change


def _too_few_joints(message: Any) -> Any:
    message.position = message.position[:5]
    return message


def _spike(_: np.random.Generator) -> Change:
    """One sample of 200 N along the hand's axis."""
    sent: list[Any] = []

    def change(message: Any) -> Any:
        if not sent:
            message.wrench.force.z += 200.0
        sent.append(message)
        return message

    return change


def _in_another_frame(message: Any) -> Any:
    message.header.frame_id = 'camera_link'
    return message


def _stuck_gripper(_: np.random.Generator) -> Change:
    """The last joint stays where it is, as far as its sensor tells."""
    first: list[float] = []

    def change(message: Any) -> Any:
        first.append(message.position[-1])
        message.position[-1], message.velocity[-1] = first[0], 0.0
        return message

    return change


def _starve(rig: Rig, _: np.random.Generator) -> None:
    loop = f'import time\nend = time.monotonic() + {STARVED}\nwhile time.monotonic() < end: pass'
    for _ in range(2):
        rig.run([sys.executable, '-c', loop])


def _take_over(rig: Rig) -> bool:
    """Let go of the enable switch, hold it, and wait until the expert drives."""
    for held in (False, True):
        for _ in range(10):
            rig.hold(held)
            rig.spin(_BEAT)
            if held and rig.referee.status.takeover:
                return True
    return False


def _shifted(message: Any, *, rad: float = 0.0, seconds: float = 0.0) -> Any:
    """Another sample of joint states: one joint elsewhere, at another time."""
    other = copy.deepcopy(message)
    other.position[0] += rad
    other.header.stamp = to_stamp(to_ns(message.header.stamp) + round(seconds * NS))
    return other


def _contradicted(rng: np.random.Generator) -> Change:
    rad = float(rng.choice([-1.0, 1.0]))
    return lambda message: [_shifted(message, rad=rad, seconds=-0.02), message]


def _second_publisher(rig: Rig, _: np.random.Generator) -> None:
    """An innocent second driver, whose arm stands elsewhere."""
    other = rig.publisher(WIRES['joints'], WIRES['joints'].topic)
    first: list[Any] = []

    def change(message: Any) -> Any:
        first.append(message)
        other.publish(_shifted(first[0], rad=0.3))
        return message

    rig.relay.changes['joints'] = change


def _permuted(message: Any) -> Any:
    """Positions in another order than the names."""
    message.position = [*message.position[1:7], message.position[0], *message.position[7:]]
    return message


def _foreign_publisher(rig: Rig, _: np.random.Generator) -> None:
    rig.publisher(WIRES['command'], WIRES['command'].topic)


def _unheard(rig: Rig, _: np.random.Generator) -> None:
    rig.relay.cut('command')


def _late_in_transit(rig: Rig, rng: np.random.Generator) -> None:
    rig.relay.delays['command'] = lambda: rng.uniform(0.0, LATEST)


def _without_limits(rig: Rig, _: np.random.Generator) -> None:
    """A controller manager comes up that does not enforce limits; afterwards it does."""

    def answer(request: Any, response: Any, *, enforced: bool) -> Any:
        value = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=enforced)
        response.values = [value] * len(request.names)
        return response

    off, on = partial(answer, enforced=False), partial(answer, enforced=True)
    rig.service(GetParameters, f'/{_MANAGER}{SERVICE}', off, afterwards=on)


def _stop_and_go(rig: Rig, rng: np.random.Generator) -> None:
    """The monitor's process gets the processor now and then alone."""
    end = time.monotonic() + STARVED
    while time.monotonic() < end:
        rig.signal('monitor', signal.SIGSTOP)
        rig.spin(rng.uniform(0.0, LATEST))
        rig.go_on('monitor')
        rig.spin(rng.uniform(0.0, LATEST))


def _restarted_driver(rig: Rig, _: np.random.Generator) -> None:
    """Neither does it measure for a while, nor does it take commands."""
    for wire in ('joints', 'command'):
        rig.relay.changes[wire] = lambda message: None
    rig.spin(_DOWN)
    rig.relay.changes.clear()


def _drifting(_: np.random.Generator) -> Change:
    begin = time.monotonic()

    def change(message: Any) -> Any:
        return _stamped(_DRIFT * (time.monotonic() - begin))(message)

    return change


def _peak_between(_: np.random.Generator) -> Change:
    """One sample of 200 N that no tick is taken from."""
    sent: list[Any] = []

    def change(message: Any) -> Any:
        sent.append(message)
        if len(sent) > 1:
            return message
        peak = copy.deepcopy(message)
        peak.wrench.force.z += 200.0
        after = to_ns(message.header.stamp) + round(_BEAT / 5 * NS)
        message.header.stamp, peak.header.stamp = to_stamp(after), message.header.stamp
        return [peak, message]

    return change


def _repeating_device(rig: Rig, _: np.random.Generator) -> None:
    stamp = rig.referee.stamp
    rig.every(_BEAT, lambda: rig.hold(True, stamp=stamp))


def _negative_clock(_: np.random.Generator) -> Change:
    sent: list[Any] = []

    def change(message: Any) -> Any:
        sent.append(message)
        if len(sent) <= 3:
            message.clock.sec = -5
        return message

    return change


def _twice(message: Any) -> Any:
    return [message, message]


def _out_of_order(_: np.random.Generator) -> Change:
    """Each sample after the one that follows it."""
    kept: list[Any] = []

    def change(message: Any) -> Any:
        if not kept:
            kept.append(message)
            return None
        return [message, kept.pop()]

    return change


FAULTS = (
    Fault(name='policy killed', inject=_signal('policy', signal.SIGKILL)),
    Fault(name='expert killed', inject=_signal('expert', signal.SIGKILL), driver='expert'),
    Fault(name='policy stopped', inject=_signal('policy', signal.SIGSTOP)),
    Fault(name='monitor stopped', inject=_signal('monitor', signal.SIGSTOP), limit=2.0, mute=True),
    Fault(name='monitor killed', inject=_signal('monitor', signal.SIGKILL), limit=2.0, mute=True),
    Fault(name='NaN in a chunk', inject=_tamper('chunk', _always(_nan_chunk))),
    Fault(name='joint names swapped in a chunk', inject=_tamper('chunk', _always(_swapped_names))),
    Fault(name='chunk for another contract', inject=_tamper('chunk', _always(_other_contract))),
    Fault(name='chunks 2 s late', inject=_tamper('chunk', _always(_stamped(-2.0)))),
    Fault(name='chunks 1 s early', inject=_tamper('chunk', _always(_stamped(1.0)))),
    Fault(name='chunk jumps by 1 rad', inject=_tamper('chunk', _jump)),
    Fault(name='clock back 1 s', inject=_tamper('clock', _always(_clock(-1.0)))),
    Fault(name='clock ahead 5 s', inject=_tamper('clock', _always(_clock(5.0)))),
    Fault(name='half of joint_states lost', inject=_tamper('joints', _lossy), rides=True),
    Fault(name='joint_states silent', inject=_tamper('joints', _always(lambda message: None))),
    Fault(name='joint_states frozen', inject=_tamper('joints', _frozen)),
    Fault(name='NaN in joint_states', inject=_tamper('joints', _nan_joint)),
    Fault(name='joints missing', inject=_tamper('joints', _always(_too_few_joints))),
    Fault(name='wrench spike', inject=_tamper('wrench', _spike)),
    Fault(name='processor starved', inject=_starve, limit=STARVED, rides=True),
    Fault(name='takeover device silent', inject=lambda rig, rng: None, prepare=_take_over),
    Fault(name='contradicting joint_states', inject=_tamper('joints', _contradicted)),
    Fault(name='second publisher of joint_states', inject=_second_publisher),
    Fault(name='joints permuted', inject=_tamper('joints', _always(_permuted))),
    Fault(name='joint_states out of order', inject=_tamper('joints', _out_of_order), rides=True),
    Fault(name='joint_states twice', inject=_tamper('joints', _always(_twice)), rides=True),
    Fault(name='joint_states 0.2 s ahead', inject=_tamper('joints', _always(_stamped(0.2)))),
    Fault(name='clock of the driver drifts', inject=_tamper('joints', _drifting), rides=True),
    Fault(name='another publisher of commands', inject=_foreign_publisher),
    Fault(name='nobody takes commands', inject=_unheard, relayed=_ALL),
    Fault(
        name='commands late in transit',
        inject=_late_in_transit,
        driver='expert',
        limit=1.0 + LATEST + _INTAKE,
        moving=MOVING / 2,  # with such a lead the arm is slow
        unpromised=('acceleration',),  # up to 1.25 times, which the referee cannot tell from more
        rides=True,
        settings=LATE_SETTINGS,
        relayed=_ALL,
    ),
    Fault(name='monitor starved', inject=_stop_and_go, rides=True),
    Fault(name='driver restarts', inject=_restarted_driver, limit=1.5, relayed=_ALL),
    Fault(
        name='controller deactivated',
        inject=_tamper('command', _always(lambda message: None)),
        relayed=_ALL,
    ),
    Fault(name='wrench in another frame', inject=_tamper('wrench', _always(_in_another_frame))),
    Fault(name='wrench peak between ticks', inject=_tamper('wrench', _peak_between)),
    Fault(name='takeover device repeats itself', inject=_repeating_device, prepare=_take_over),
    Fault(name='negative clock', inject=_tamper('clock', _negative_clock), rides=True),
    Fault(name='joint_states 0.3 s behind', inject=_tamper('joints', _always(_stamped(-0.3)))),
    # It closes only at the object, and may take a second to move. One that got stuck half way
    # cannot be told from one that holds something: then the arm goes on.
    Fault(
        name='gripper stuck',
        inject=_tamper('joints', _stuck_gripper),
        driver='expert',
        limit=8.0,
        rides=True,
    ),
    Fault(
        name='controller manager without limits',
        inject=_without_limits,
        limit=4.0,  # the monitor has to find it, and to ask
        settings={'monitor': (f'controller_manager:={_MANAGER}', 'command_limits:=expected')},
    ),
)
