"""Where the tool and the links of an arm are, and how far they are from each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from il_ros.core.arms import AnyArm, Arm, ArmPair
from il_ros.core.kinematics import Capsule, segment_distance
from il_ros.core.limits import Array

Pairs = tuple[tuple[str, str], ...]
"""Names of both parts, for each of some distances."""


class Outline:
    """Balls that together cover an arm's parts; a ball of radius 0 is the tool centre point.

    The balls of a capsule are at most `spacing` and at most its radius apart, and larger than the
    capsule by as much as it takes to leave no gap.

    Args:
        capsules: The parts.
        tool: Index of the tool centre point's frame.
        spacing: Largest distance between neighbouring centres [m].

    Attributes:
        names: The part that each ball belongs to, P of them.
        radius: Radius of each ball, shape (P,) [m].
        part: Index of the part that each ball belongs to, shape (P,); -1 of the tool centre point.
        moving: How many of the balls move; those of parts that stand at the base come last.
    """

    def __init__(self, capsules: Sequence[Capsule], *, tool: int, spacing: float = 0.05) -> None:
        names, frames, points, radii = ['tool centre point'], [tool], [np.zeros((1, 3))], [0.0]
        part = [-1]
        for index, capsule in sorted(enumerate(capsules), key=lambda item: item[1].frame < 0):
            start, end = np.array(capsule.start), np.array(capsule.end)
            length = float(np.linalg.norm(end - start))
            count = 1 + math.ceil(length / min(spacing, capsule.radius))
            points.append(np.linspace(start, end, count))
            names += count * [capsule.name]
            frames += count * [capsule.frame]
            radii += count * [math.hypot(capsule.radius, length / max(count - 1, 1) / 2)]
            part += count * [index]
        self.names, self.radius, self.part = tuple(names), np.array(radii), np.array(part)
        self.moving = sum(frame >= 0 for frame in frames)
        self._frames, self._points = np.array(frames), np.concatenate(points)

    def centres(self, frames: Array) -> Array:
        """Centre of each ball, shape (..., P, 3) [m]; frames as of `SerialChain.frames`."""
        own = frames[..., self._frames, :3, :]
        centres: Array = np.einsum('...pij,pj->...pi', own[..., :3], self._points)
        centres += own[..., 3]
        centres[..., self.moving :, :] = self._points[self.moving :]
        return centres


class Clearance:
    """The distances between parts of an arm and those of another one, Q in all.

    What stands at the base, or moves with a joint that both arms have, belongs to neither.

    Args:
        pair: The arms.
        names: Commanded joints in the order of the arrays; the pair's own order by default.

    Attributes:
        parts: Names of the parts of the one and the other arm, Q of them.
    """

    def __init__(self, pair: ArmPair, names: Sequence[str] | None = None) -> None:
        names = pair.names if names is None else names
        self._columns = [limb.columns(names) for limb in pair.limbs]
        self._chains = [limb.chain for limb in pair.limbs]
        self._lines = [_Lines(_own_parts(limb, pair)) for limb in pair.limbs]
        first = np.cumsum([0, *(len(lines.names) for lines in self._lines)])
        pairs = [
            (first[i] + one, first[j] + other)
            for i in range(len(self._lines))
            for j in range(i + 1, len(self._lines))
            for one in range(len(self._lines[i].names))
            for other in range(len(self._lines[j].names))
        ]
        self._one, self._other = np.array(pairs, np.intp).reshape(-1, 2).T
        radius = np.concatenate([lines.radius for lines in self._lines])
        self._radii = radius[self._one] + radius[self._other]
        every = [name for lines in self._lines for name in lines.names]
        self.parts = tuple((every[a], every[b]) for a, b in pairs)

    def gaps(self, q: Array) -> Array:
        """Distances between surfaces, shape (T, Q) [m], of joint positions (T, N); 0 touches."""
        each = zip(self._chains, self._columns, strict=True)
        return self.gaps_of([chain.frames(q[:, columns]) for chain, columns in each])

    def gaps_of(self, frames: Sequence[Array]) -> Array:
        """The same, from each arm's `SerialChain.frames` of (T, n) joint positions."""
        each = zip(self._lines, frames, strict=True)
        ends = np.concatenate([lines.ends(own) for lines, own in each], axis=1)
        return np.asarray(_between(ends, self._one, self._other) - self._radii)


def _own_parts(limb: Arm, pair: ArmPair) -> list[Capsule]:
    """The parts that move with joints of this limb alone."""
    others = {name for other in pair.limbs if other is not limb for name in other.joints}
    chain = limb.chain
    shared = [
        limb.joints[chain.follows[i][0] if chain.follows else i] in others
        for i in range(len(chain.fixed))
    ]
    shared.append(shared[-1])  # of the tool
    return [part for part in limb.body if part.frame >= 0 and not shared[part.frame]]


class SelfClearance:
    """How far the parts of one arm are from each other, Q pairs of them.

    Neighbours, which touch by design, are left out, and so are links that may touch (`Arm.near`).
    Balls that cover the parts are compared first; they are apart in nearly every posture.

    Args:
        limb: The arm.
        outline: Of its body.

    Attributes:
        parts: Names of both parts, Q of them.
    """

    def __init__(self, limb: Arm, outline: Outline) -> None:
        self._lines, body = _Lines(limb.body), limb.body
        last, near = len(limb.chain.fixed) - 1, limb.near or frozenset()
        pairs = [
            (i, j)
            for i, one in enumerate(body)
            for j, other in enumerate(body[i + 1 :], i + 1)
            if abs(min(one.frame, last) - min(other.frame, last)) > 1
            and frozenset((one.name, other.name)) not in near
        ]
        self._one, self._other = np.array(pairs, np.intp).reshape(-1, 2).T
        self._radii = self._lines.radius[self._one] + self._lines.radius[self._other]
        self.parts = tuple((body[i].name, body[j].name) for i, j in pairs)
        self._reach = _reach(outline, pairs)

    def gaps(self, frames: Array, centres: Array, margin: float) -> Array | None:
        """Distances between surfaces, shape (T, Q) [m]; None if none is as near as `margin` [m].

        Args:
            frames: As of `SerialChain.frames`, of (T, n) joint positions.
            centres: Of the outline, (T, P, 3) [m].
            margin: Distance from which on parts are far enough from each other [m].
        """
        if not self.parts:
            return None
        # Squared distances by one product: |a|^2 + |b|^2 - 2 a b.
        square = np.einsum('tpi,tpi->tp', centres, centres)
        near = centres @ centres.swapaxes(1, 2)
        near *= -2.0
        near += square[:, :, None]
        near += square[:, None, :]
        if not (near < self._reach(margin)).any() and np.isfinite(square).all():
            return None
        ends = self._lines.ends(frames)
        return np.asarray(_between(ends, self._one, self._other) - self._radii)


def _reach(outline: Outline, pairs: Sequence[tuple[int, int]]) -> Callable[[float], Array]:
    """By the margin: the squared distances (P, P) below which two balls are near; -1 for never."""
    count = int(outline.part.max(initial=-1)) + 1
    watched = np.zeros((count + 1, count + 1), dtype=bool)  # the last one is the tool
    for i, j in pairs:
        watched[i, j] = True
    both = watched[outline.part[:, None], outline.part]
    sums = outline.radius[:, None] + outline.radius
    known: dict[float, Array] = {}

    def reach(margin: float) -> Array:
        if margin not in known:
            known.clear()
            known[margin] = np.where(both, (sums + margin) ** 2, -1.0)
        return known[margin]

    return reach


class _Lines:
    """The middle lines of capsules, and where their ends are."""

    def __init__(self, parts: Sequence[Capsule]) -> None:
        self.names = tuple(part.name for part in parts)
        self.radius = np.array([part.radius for part in parts])
        self._frames = np.array([part.frame for part in parts], np.intp)
        self._ends = np.array([[part.start, part.end] for part in parts]).reshape(-1, 2, 3)
        self._still = self._frames < 0

    def ends(self, frames: Array) -> Array:
        """Both ends of each line, (T, P, 2, 3) [m, base frame]; frames as of `SerialChain`."""
        own = frames[:, self._frames, :3]
        ends = np.einsum('tpij,pej->tpei', own[..., :3], self._ends) + own[:, :, None, :, 3]
        ends[:, self._still] = self._ends[self._still]
        return np.asarray(ends)


def _between(ends: Array, one: NDArray[np.intp], other: NDArray[np.intp]) -> Array:
    """Distances (T, Q) [m] between Q pairs of lines, by their ends (T, P, 2, 3)."""
    a, b = ends[:, one], ends[:, other]
    return segment_distance(a[:, :, 0], a[:, :, 1], b[:, :, 0], b[:, :, 1])


@dataclass(frozen=True, eq=False)
class Placed:
    """Where an arm is at T postures.

    Attributes:
        tools: Tool centre points (T, 3) of one tool, or (T, L, 3) of L of them [m, base frame].
        outline: Points all over the arm (T, P, 3) [m]; None where only the tool is known.
        between: Of several arms, the distances between them (T, Q) [m].
        within: By the margin [m]: distances between parts of each arm, (T, Q) [m], where they may
            be below it, and the names of both.
    """

    tools: Array
    outline: Callable[[], Array] | None = None
    between: Callable[[], Array] | None = None
    within: Callable[[float], Sequence[tuple[Array, Pairs]]] = lambda _: ()


@dataclass(frozen=True, eq=False)
class Geometry:
    """The tool centre points, points that stand for the links, and how far two arms are apart.

    Attributes:
        tools: Tool centre points of joint positions (T, N): (T, 3) [m, base frame] of one tool, or
            (T, L, 3) of L of them.
        outline: Points all over the arm (T, P, 3) of joint positions (T, N); none where only the
            tool is known.
        parts: What each of the P points belongs to, for messages.
        radius: How far the arm reaches from each of these points, shape (P,), or one for all [m].
        moves: Which of the N joints move the arm; all by default. The others, a gripper's, keep
            what they hold while the arm falls back.
        names: What each tool is called, for messages.
        sides: Of a pair, which of the N joints move which arm, by what the keys of the observations
            that follow this arm begin with.
        clearance: Of a pair, the distances between the arms.
        place: Where all of it is, computed at once; by default from the two functions.
    """

    tools: Callable[[Array], Array]
    outline: Callable[[Array], Array] | None = None
    _: KW_ONLY
    parts: tuple[str, ...] = ()
    radius: Array | float = 0.0
    moves: NDArray[np.bool_] | None = None
    names: tuple[str, ...] = ('tool centre point',)
    sides: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    clearance: Clearance | None = None
    place: Callable[[Array], Placed] | None = None

    def at(self, q: Array) -> Placed:
        """Where everything is at joint positions (T, N)."""
        if self.place is not None:
            return self.place(q)
        outline = self.outline
        return Placed(self.tools(q), None if outline is None else lambda: outline(q))

    @classmethod
    def of_arm(cls, arm: AnyArm, joints: Sequence[str] | None = None) -> Self:
        """The geometry of an arm or a pair: each tool, and balls that cover each body.

        Args:
            arm: The arm or the pair.
            joints: Commanded joints in the order of the arrays; the arm's own order by default.

        Raises:
            ContractError: If these lack a joint of the arm.
        """
        joints = arm.names if joints is None else joints
        pair = arm if isinstance(arm, ArmPair) else None
        placing = _Placing(arm, joints)
        limbs = arm.limbs
        names = tuple(f'{limb.side} tool centre point'.lstrip() for limb in limbs)
        bodies = [(body, body.moving) for body in placing.outlines]
        parts = [(n, *body.names[1:count]) for n, (body, count) in zip(names, bodies, strict=True)]
        return cls(
            lambda q: placing.at(q).tools,
            placing.outline,
            parts=tuple(part for body in parts for part in body),
            radius=np.concatenate([body.radius[:count] for body, count in bodies]),
            moves=np.isin(joints, arm.joints),
            names=names,
            sides={limb.prefix: np.isin(joints, limb.joints) for limb in limbs if pair},
            clearance=placing.clearance,
            place=placing.at,
        )


class _Placing:
    """Places an arm, or several: the frames of each are computed once a posture."""

    def __init__(self, arm: AnyArm, joints: Sequence[str]) -> None:
        self._limbs = arm.limbs
        self._columns = [limb.columns(joints) for limb in self._limbs]
        self.outlines = [_outline(limb) for limb in self._limbs]
        self.clearance = Clearance(arm, joints) if isinstance(arm, ArmPair) else None
        self._selves = [
            None if limb.near is None else SelfClearance(limb, body)
            for limb, body in zip(self._limbs, self.outlines, strict=True)
        ]

    def at(self, q: Array) -> Placed:
        each = zip(self._limbs, self._columns, strict=True)
        frames = [limb.chain.frames(q[:, columns]) for limb, columns in each]
        tools = [own[:, -1, :3, 3] for own in frames]
        known: list[Array] = []

        def centres() -> list[Array]:
            if not known:
                known.extend(
                    body.centres(own) for body, own in zip(self.outlines, frames, strict=True)
                )
            return known

        def outline() -> Array:
            moving = [own[:, : b.moving] for own, b in zip(centres(), self.outlines, strict=True)]
            return moving[0] if len(moving) == 1 else np.concatenate(moving, axis=1)

        def within(margin: float) -> list[tuple[Array, Pairs]]:
            found = []
            for watch, own, place in zip(self._selves, frames, range(len(frames)), strict=True):
                gaps = None if watch is None else watch.gaps(own, centres()[place], margin)
                if watch is not None and gaps is not None:
                    found.append((gaps, watch.parts))
            return found

        clearance = self.clearance
        return Placed(
            tools=np.stack(tools, axis=1) if len(tools) > 1 else np.asarray(tools[0]),
            outline=outline,
            between=None if clearance is None else lambda: clearance.gaps_of(frames),
            within=within,
        )

    def outline(self, q: Array) -> Array:
        place = self.at(q)
        assert place.outline is not None
        return place.outline()


def _outline(limb: Arm) -> Outline:
    return Outline(limb.body, tool=len(limb.chain.fixed))
