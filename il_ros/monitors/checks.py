"""Channel 0: hard faults. No learning, no state: a function checks one thing.

Every check returns None or a `Fault` whose text says where, what, and the limit with its unit.
Comparisons are written so that a NaN never passes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arm_geometry import Geometry
from il_ros.core.errors import one_line
from il_ros.core.geometry import every, finite, norm
from il_ros.core.limits import Array, Limits
from il_ros.monitors.monitor_input import Chunk, MonitorInput

FaultKind = Literal[
    'chunk', 'frame', 'deadline', 'clock', 'frozen', 'joint_limit', 'speed', 'tracking',
    'workspace', 'keep_out', 'separation', 'force', 'takeover', 'jump', 'plan', 'internal',
]  # fmt: skip

_MOST_STEPS = 10_000  # of a chunk; experts answer with 1,000 at most
_MOST_SAMPLES = 256  # of a chunk: scores compare all of them in pairs
_ROUNDING = 1e-9  # m
_BEYOND = 0.02  # share of what a joint may move in a period that a reference may be outside limits


@dataclass(frozen=True)
class Fault:
    """A reason to stop.

    Attributes:
        kind: Which check failed.
        text: Where, what was found, and the limit with its unit; in one line of bounded length,
            whatever a message said, for it is latched, published with every status, and logged.
    """

    kind: FaultKind
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, 'text', one_line(self.text))


def chunk_content(
    chunk: Chunk, *, source: str, names: tuple[str, ...], contract_hash: str, policy_id: str
) -> Fault | None:
    """Whether a chunk is from whom it should be, for this arm, and made of numbers.

    Args:
        source: The source that it came in through.
        names: The commanded joints, in order.
        contract_hash: Hash of the contract that the monitor works under.
        policy_id: The policy that the calibration belongs to; empty lets any policy through.
    """
    text = _stranger(chunk, source, contract_hash, policy_id) or _malformed(chunk, names)
    return Fault('chunk', f'{source} chunk: {text}') if text else None


def _stranger(chunk: Chunk, source: str, contract_hash: str, policy_id: str) -> str:
    if chunk.source != source:
        return f'says that it comes from {chunk.source!r}'
    if chunk.contract_hash != contract_hash:
        return (
            f'made for contract {chunk.contract_hash or "none"}, this monitor has {contract_hash}'
        )
    if source == 'policy' and policy_id and chunk.policy_id != policy_id:
        got = chunk.policy_id or 'an unnamed policy'
        return f'comes from {got}, the calibration is for {policy_id}'
    return ''


def _malformed(chunk: Chunk, names: tuple[str, ...]) -> str:
    if chunk.names != names:
        return _first_difference(chunk.names, names)
    shape = np.shape(chunk.positions)
    if len(shape) != 2 or not 1 <= shape[0] <= _MOST_STEPS or shape[1] != len(names):
        return f'positions have shape {shape}, allowed (1 .. {_MOST_STEPS}, {len(names)})'
    if not (np.isfinite(chunk.step_dt) and chunk.step_dt > 0):
        return f'step_dt is {chunk.step_dt} s, it must be above 0 s'
    if not np.isfinite(chunk.stamp):
        return f'stamp is {chunk.stamp} s'
    finite = np.isfinite(chunk.positions)
    if not finite.all():
        step, joint = (int(i) for i in np.argwhere(~finite)[0])
        return f'step {step} of {names[joint]} is {chunk.positions[step, joint]}'
    return _malformed_samples(chunk.samples, np.shape(chunk.positions))


def _malformed_samples(samples: Array | None, steps_and_joints: tuple[int, ...]) -> str:
    if samples is None:
        return ''
    shape = np.shape(samples)
    if shape[1:] != steps_and_joints or not 1 <= shape[0] <= _MOST_SAMPLES:
        allowed = ', '.join(map(str, steps_and_joints))
        return f'samples have shape {shape}, allowed (1 .. {_MOST_SAMPLES}, {allowed})'
    return '' if np.isfinite(samples).all() else 'a sample is not finite'


def _first_difference(got: tuple[str, ...], want: tuple[str, ...]) -> str:
    if len(got) != len(want):
        return f'has {len(got)} joints, the contract has {len(want)}'
    i = next(i for i, pair in enumerate(zip(got, want, strict=True)) if pair[0] != pair[1])
    return f'joint {i} is {got[i]!r}, the contract says {want[i]!r}'


def stamp(what: str, stamp: float, now: float, *, max_age: float, future: float) -> Fault | None:
    """Whether `what` is stamped neither after `now` nor longer ago than `max_age` [s].

    It may be `future` [s] ahead of `now`, for clocks that differ a little.
    """
    age = now - stamp
    if not age >= -future:
        early = f'{what}: stamped {-age:.3f} s in the future, limit {future:.3f} s'
        text = f'{early}: the clock that stamped it is ahead'
        return Fault('clock', text)
    if not age <= max_age:
        text = f'{what}: nothing newer for {age:.3f} s, limit {max_age:.3f} s'
        return Fault('deadline', text)
    return None


def clock_step(last: float | None, now: float, largest: float) -> Fault | None:
    """Whether time went on from `last` to `now`, by no more than `largest` [s]."""
    if not math.isfinite(now):
        return Fault('clock', f'clock: reads {now} s')
    if last is None:
        return None
    step = now - last
    if step < 0:
        return Fault('clock', f'clock: jumped {-step:.3f} s backwards')
    if step > largest:
        return Fault('clock', f'clock: {step:.3f} s since the last tick, limit {largest:.3f} s')
    return None


def frame_content(frame: MonitorInput, size: int) -> Fault | None:
    """Whether every required stream is valid and every number finite; N = `size` joints."""
    if frame.invalid:
        return Fault('frame', '; '.join(frame.invalid))
    if frame.position is None:
        return Fault('frame', 'measured joint position: missing')
    joints = ('position', 'velocity')
    for name in (*joints, 'features', 'force', 'torque'):
        value = getattr(frame, name)
        if value is None:
            continue
        shape = {'force': (3,), 'torque': (3,)}.get(name, (size,) if name in joints else None)
        if shape and np.shape(value) != shape:
            return Fault('frame', f'measured {name}: shape {np.shape(value)}, allowed {shape}')
        if not finite(value):
            i = int(np.argmin(np.isfinite(value)))
            return Fault('frame', f'measured {name}: element {i} is {value[i]}')
    return None


def _joints(
    kind: FaultKind, names: tuple[str, ...], inside: NDArray[np.bool_], text: str, *values: Array
) -> Fault | None:
    """A fault of the first joint that is not inside, with its own `values` (N,) in the text."""
    if every(inside):
        return None
    i = int(np.argmin(inside))
    return Fault(kind, f'{names[i]}: {text.format(*(value[i] for value in values))}')


def joint_limits(position: Array, limits: Limits, tolerance: float) -> Fault | None:
    """Whether measured positions (N,) are inside the limits, give or take `tolerance`."""
    low, high = limits.position_min, limits.position_max
    inside = (position >= low - tolerance) & (position <= high + tolerance)
    text = 'measured at {:.4f}, limits {:.4f} .. {:.4f} rad or m'
    return _joints('joint_limit', limits.names, inside, text, position, low, high)


def speed(velocity: Array, limits: Limits, tolerance: float) -> Fault | None:
    """Whether measured velocities (N,) are within the limits, give or take a share `tolerance`."""
    allowed = (1.0 + tolerance) * limits.velocity
    text = 'measured at {:.3f}, limit {:.3f} rad/s or m/s'
    return _joints('speed', limits.names, np.abs(velocity) <= allowed, text, velocity, allowed)


def acceleration(
    before: Array, velocity: Array, dt: float, limits: Limits, tolerance: float
) -> Fault | None:
    """Whether velocities (N,) changed within the limits since `before` (N,), `dt` [s] ago.

    That is the mean acceleration over a control period; `tolerance` is the share by which sensors
    and contacts may exceed the limits.
    """
    mean, allowed = (velocity - before) / dt, (1.0 + tolerance) * limits.acceleration
    text = 'accelerates by {:.1f}, limit {:.1f} rad/s^2 or m/s^2'
    return _joints('speed', limits.names, np.abs(mean) <= allowed, text, mean, allowed)


def tracking(
    position: Array, commanded: Array, names: tuple[str, ...], largest: float
) -> Fault | None:
    """Whether measured positions (N,) follow the commanded ones (N,) within `largest`."""
    error = np.abs(position - commanded)
    text = f'{{:.4f}} from its command, limit {largest:.4f} rad or m'
    return _joints('tracking', names, error <= largest, text, error)


def reference(
    position: Array,
    wanted: Array,
    names: tuple[str, ...],
    largest: float,
    moves: NDArray[np.bool_],
) -> Fault | None:
    """Whether the controller's reference (N,) is within `largest` of the measured positions (N,).

    Args:
        position: Measured [rad or m].
        wanted: The reference [rad or m]; NaN where it is not known.
        names: Of the joints.
        largest: Distance allowed [rad or m].
        moves: Which joints move the arm, (N,). The others may be apart: a gripper that holds
            something wants to be further closed.
    """
    apart = moves & (np.abs(wanted - position) > largest)
    text = (
        f'its controller wants it at {{:.4f}}, it is measured at {{:.4f}} rad or m, '
        f'allowed {largest} apart'
    )
    return _joints('frame', names, ~apart, text, wanted, position)


def reference_limits(wanted: Array, limits: Limits, dt: float) -> Fault | None:
    """Whether a motion can begin at the controller's reference (N,), as plans stay in the limits.

    Args:
        wanted: The reference [rad or m]; NaN where it is not known.
        limits: What the arm may do.
        dt: Control period [s]: a plan begins at the limit, and what the reference is beyond it is
            made up for within this time.
    """
    low, high, spare = limits.position_min, limits.position_max, _BEYOND * limits.velocity * dt
    outside = (wanted < low - spare) | (wanted > high + spare)
    text = (
        'its controller wants it at {:.4f}, limits {:.4f} .. {:.4f} rad or m: move it inside by '
        'other means, or correct the limits of the contract'
    )
    return _joints('frame', limits.names, ~outside, text, wanted, low, high)


def jump(distance: Array, limits: Limits, patience: float) -> Fault | None:
    """Whether targets are within reach: an arm is led to where it is to go.

    Args:
        distance: From where the joints are commanded to where they are wanted, (N,) [rad or m].
        limits: What the arm may do.
        patience: How long a joint may need to get there at its speed limit [s].
    """
    far, most = np.abs(distance), patience * limits.velocity
    text = 'wanted {:.3f} from its command, limit {:.3f} rad or m'
    return _joints('jump', limits.names, far <= most, text, far, most)


def space(
    geometry: Geometry | None,
    limits: Limits,
    postures: Array,
    *,
    margin: float = 0.0,
    planned: bool = False,
) -> Fault | None:
    """Whether tools, links and the two arms of a pair are where they may be at all postures.

    Args:
        geometry: Where they are; nothing is checked without.
        limits: Has the workspace, the least distance between arms and the keep-out zones.
        postures: Joint positions in the order of time, shape (T, N).
        margin: How far on the safe side of each bound they have to be [m].
        planned: Whether they are of a planned motion, which an arm that stands too near already
            may begin as long as it never comes nearer; else they are measured.
    """
    if geometry is None:
        return None
    placed, clearance = geometry.at(postures), geometry.clearance
    fault = workspace(placed.tools, limits, names=geometry.names, margin=margin, planned=planned)
    if fault is None and clearance is not None and placed.between is not None:
        least, parts = limits.separation + margin, clearance.parts
        fault = apart(placed.between(), least, parts=parts, planned=planned)
    for gaps, parts in placed.within(margin) if fault is None else ():
        fault = fault or apart(gaps, margin, parts=parts, planned=planned)
    if fault or not limits.keep_out or placed.outline is None:
        return fault
    points, near = placed.outline(), geometry.radius + margin
    return keep_out(points, limits, parts=geometry.parts, margin=near, planned=planned)


def _first_outside(outside: Array, planned: bool) -> int | None:
    """First row of `outside` (T, ...) [m] that is; of a plan, further than where it begins."""
    allowed = np.maximum(outside[0], 0.0) + _ROUNDING if planned else 0.0
    fine = (outside <= allowed).reshape(len(outside), -1).all(axis=1)
    return None if fine.all() else int(np.argmin(fine))


def beyond_workspace(points: Array, limits: Limits, margin: float) -> Array:
    """How far points (..., 3) are outside the box that ends `margin` inside the workspace [m].

    Shape (...); zero or less is inside.
    """
    low, high = limits.workspace_min + margin, limits.workspace_max - margin
    return np.asarray(np.maximum(low - points, points - high).max(axis=-1))


def workspace(
    tools: Array,
    limits: Limits,
    *,
    names: tuple[str, ...] = ('tool centre point',),
    margin: float = 0.0,
    planned: bool = False,
) -> Fault | None:
    """Whether each tool is inside the workspace box, `margin` [m] away from its sides.

    Args:
        tools: Tool centre points, (T, 3) of one tool or (T, L, 3) of L of them [m, base frame].
        names: What each of the L tools is called.
        planned: See `space`.
    """
    row = _first_outside(beyond_workspace(tools, limits, margin), planned)
    if row is None:
        return None
    low, high = limits.workspace_min + margin, limits.workspace_max - margin
    points = tools[row].reshape(-1, 3)
    tool, i = divmod(int(np.argmin((points >= low) & (points <= high))), 3)
    which = ['planned motion'] if planned else []
    if len(names) > 1 or not planned:
        which.append(names[tool])
    place = f'{"xyz"[i]} = {points[tool, i]:.3f} m'
    text = f'{", ".join(which)}: {place}, workspace {low[i]:.3f} .. {high[i]:.3f} m'
    return Fault('workspace', text)


def into_zones(points: Array, limits: Limits, margin: Array | float) -> Array:
    """How deep points are in the keep-out zones grown by `margin` on each side [m].

    Args:
        points: Points all over the arm, shape (T, P, 3) [m, base frame].
        margin: Shape (P,), or one for all [m].

    Returns:
        Shape (T, Z, P) for Z zones; zero or less is outside.
    """
    # Axes first: a minimum over the last three numbers costs three times as much.
    low = np.array([zone.min for zone in limits.keep_out]).T[:, None, :, None]
    high = np.array([zone.max for zone in limits.keep_out]).T[:, None, :, None]
    at = np.ascontiguousarray(np.moveaxis(points, -1, 0))[:, :, None]
    return np.asarray(np.minimum(at - low, high - at).min(axis=0) + margin)


def keep_out(
    points: Array,
    limits: Limits,
    *,
    parts: tuple[str, ...],
    margin: Array | float,
    planned: bool = False,
) -> Fault | None:
    """Whether every point of the arm is outside every keep-out zone, `margin` [m] away from it.

    Args:
        points: Points all over the arm, shape (T, P, 3) [m, base frame].
        parts: What each of the P points belongs to.
        margin: How far from a zone's sides each point has to be, shape (P,), or one for all [m].
        planned: See `space`.
    """
    inside = into_zones(points, limits, margin)
    row = _first_outside(inside, planned)
    if row is None:
        return None
    zone, i = divmod(int(np.argmin(inside[row] <= 0.0)), len(parts))
    near = np.broadcast_to(margin, len(parts))[i]
    at = ', '.join(f'{x:.3f}' for x in points[row, i])
    what = 'planned motion: ' if planned else ''
    text = f'{what}{parts[i]}: within {near:.3f} m of {limits.keep_out[zone].name!r}, at {at} m'
    return Fault('keep_out', text)


def apart(
    gaps: Array,
    least: float,
    *,
    parts: tuple[tuple[str, str], ...],
    planned: bool = False,
) -> Fault | None:
    """Whether two arms, or parts of one, keep their distance.

    Args:
        gaps: Distances between their parts, shape (T, Q) [m].
        least: That they have to keep [m].
        parts: The one and the other part of each of the Q distances.
        planned: See `space`.
    """
    row = _first_outside(least - gaps, planned)
    if row is None:
        return None
    i = int(np.argmin(gaps[row]))  # which is a NaN, if there is one
    one, other = parts[i]
    what = 'planned motion: ' if planned else ''
    text = f'{what}{one}: {gaps[row, i]:.3f} m from {other}, limit {least:.3f} m'
    return Fault('separation', text)


def wrench(force: Array | None, torque: Array | None, limits: Limits) -> Fault | None:
    """Whether the norms of wrist force [N] and torque [N m], each (3,), are within the limits."""
    measured = (('force', force, limits.force, 'N'), ('torque', torque, limits.torque, 'N m'))
    for name, value, limit, unit in measured:
        if value is None:
            continue
        found = norm(value)
        if not found <= limit:
            return Fault('force', f'wrist {name}: {found:.2f} {unit}, limit {limit:.2f} {unit}')
    return None
