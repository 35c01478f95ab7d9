"""What the numbers of an action chunk are: joints, joint deltas, tool poses or tool deltas.

Data and commands are joint positions. A source of chunks may speak another space, which the names
of its numbers say; the monitor makes joint positions of them before it judges where they lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import ContractError, IlRosError
from il_ros.core.geometry import quaternion_from_matrix, unwrapped
from il_ros.core.kinematics import SerialChain
from il_ros.core.limits import Array

if TYPE_CHECKING:
    from il_ros.core.arms import Arm
    from il_ros.core.contract import Contract

Space = Literal['joints', 'joint_delta', 'tool_pose', 'tool_delta']

SPACES: tuple[Space, ...] = get_args(Space)

MOST_STEPS = 128
"""Of a chunk that is turned into joints by inverse kinematics."""

MOST_ITERATIONS = 250
"""Of inverse kinematics for a chunk of one arm: nothing else, no stop either, is done meanwhile."""

POSITION_TOLERANCE, ANGLE_TOLERANCE = 1e-4, 1e-3
"""How far the tool of the joints found may be from the pose wanted [m, rad]."""

_POSE = ('x', 'y', 'z', 'qx', 'qy', 'qz', 'qw')
_FULL = 6  # joints without which a tool cannot have every pose
_NORM = 0.01  # by which a quaternion's length may differ from 1
_ITERATIONS, _ENOUGH = 20, 1e-7  # error at which there is nothing to gain [m, rad]
_DAMPING, _LEAST_DAMPING = 0.05, 1e-10  # squared, per squared error; and at least
_NEAR = np.array([[0.05], [0.2]])  # poses that are solved together: from the last one [m, rad]
_LONGEST = 0.5  # joint motion of an iteration [rad or m]
_SPEED = 3.0  # times the velocity limit that a chunk may ask for
_OUTSIDE = 0.02  # rad or m by which joints of a pose may be outside their position limits
_LAG = 0.3  # s by which the arm may be behind where its first step begins


class ActionSpace:
    """A space for the chunks of a contract, to and from joint positions (N,).

    - `joints`: positions of the joints [rad or m].
    - `joint_delta`: how far each joint is from where it was measured when the observation was made
      that the chunk answers [rad or m].
    - `tool_pose`: position [m] and quaternion xyzw of each tool in the contract's base frame.
    - `tool_delta`: the same of each tool in the frame that it had itself at that observation
      (the relative trajectory of Chi et al. 2024, Universal Manipulation Interface).

    Every step of a chunk refers to the one observation, not to the step before it. Joints that move
    no tool, which are those of grippers, are positions in every space.

    Args:
        name: Its name.
        contract: Joints, arm and limits.

    Attributes:
        names: What the M numbers of a step are called: the joints, of deltas with `joint_delta/` in
            front; of poses `tool_pose/tool.x`, of a pair of arms `tool_pose/left_tool.x`, and so on
            to y, z, qx, qy, qz, qw, and then the joints of grippers.

    Raises:
        ContractError: If the contract does not take it, or its arm cannot.
    """

    def __init__(self, name: Space, contract: Contract) -> None:
        self.name, joints = name, contract.action.names
        self.names = joints
        if name == 'joints':
            return
        self._where = f'contract {contract.name}'
        if contract.action.accepts is not None and name not in contract.action.accepts:
            raise ContractError(
                f'{name} is not accepted',
                where=f'{self._where}.action.accepts',
                allowed=', '.join(('joints', *contract.action.accepts)),
            )
        limits, self._period = contract.limits, contract.period
        self._joints, self._velocity, self._endless = joints, limits.velocity, contract.endless
        self._range = limits.position_min - _OUTSIDE, limits.position_max + _OUTSIDE
        self._moves, limbs = _moved(contract)
        if name == 'joint_delta':
            moved = zip(joints, self._moves.tolist(), strict=True)
            self.names = tuple(f'{name}/{joint}' if moves else joint for joint, moves in moved)
            return
        _require_poses(limbs, self._where)
        self._limbs = [(limb.chain, limb.columns(joints)) for limb in limbs]
        self._others = np.flatnonzero(~self._moves)
        tools = [f'{name}/{limb.prefix}tool.{part}' for limb in limbs for part in _POSE]
        self.names = (*tools, *(joints[i] for i in self._others))

    def of_joints(self, chunks: Array, measured: Array) -> Array:
        """Chunks in this space, shape (..., H, M).

        Args:
            chunks: Joint positions, shape (..., H, N) [rad or m].
            measured: Those measured at the observation, shape (..., N) [rad or m].
        """
        if self.name == 'joints':
            return chunks
        if self.name == 'joint_delta':
            return np.asarray(chunks - (measured * self._moves)[..., None, :])
        parts = []
        for chain, columns in self._limbs:
            position, rotation = chain.forward(chunks[..., columns])
            if self.name == 'tool_delta':
                start, own = chain.forward(measured[..., columns])
                back = np.swapaxes(own, -1, -2)[..., None, :, :]
                position = (back @ (position - start[..., None, :])[..., None])[..., 0]
                rotation = back @ rotation
            parts += [position, quaternion_from_matrix(rotation)]
        return np.concatenate([*parts, chunks[..., self._others]], axis=-1)

    def to_joints(self, chunk: Array, measured: Array, *, step_dt: float | None = None) -> Array:
        """Joint positions, shape (H, N) [rad or m], of one chunk (H, M).

        Poses are turned into joints next to those measured: an arm of more than six joints stays in
        its posture as far as the tool allows.

        Args:
            chunk: In this space.
            measured: Joint positions at the observation, shape (N,) [rad or m].
            step_dt: Time between steps [s]; the contract's period by default.

        Raises:
            IlRosError: If a pose is none, is out of reach, or takes a jump of the joints or one out
                of its position limits.
        """
        if self.name == 'joints':
            return chunk
        if self.name == 'joint_delta':
            return np.asarray(chunk + measured * self._moves)
        if len(chunk) > MOST_STEPS:
            raise IlRosError(f'{len(chunk)} steps of poses, at most {MOST_STEPS}')
        joints: Array = np.empty((len(chunk), len(self._joints)))
        joints[:, self._others] = chunk[:, 7 * len(self._limbs) :]
        for i, (chain, columns) in enumerate(self._limbs):
            tool, seed = self.names[7 * i].partition('/')[2].removesuffix('.x'), measured[columns]
            position, rotation = _pose_parts(chunk[:, 7 * i : 7 * i + 7], tool)
            if self.name == 'tool_delta':
                start, turn = chain.forward(seed)
                position, rotation = start + position @ turn.T, turn @ rotation
            joints[:, columns] = inverse_kinematics(chain, position, rotation, seed, tool=tool)
        joints = unwrapped(joints, measured, self._endless & self._moves)
        self._require_smooth(joints, measured, step_dt or self._period)
        self._require_inside(joints)
        return joints

    def _require_smooth(self, joints: Array, measured: Array, step_dt: float) -> None:
        """Refuse what no path of the tool explains: another branch, or a singularity."""
        way = np.abs(np.diff(joints, axis=0, prepend=measured[None]))
        most = np.tile(_SPEED * step_dt * self._velocity, (len(joints), 1))
        most[0] += _LAG * self._velocity
        if (fine := (way <= most) | ~self._moves).all():
            return
        step, joint = (int(i) for i in np.argwhere(~fine)[0])
        raise IlRosError(
            f'step {step} takes {self._joints[joint]} {way[step, joint]:.3f} rad or m from where '
            f'it was, at most {most[step, joint]:.3f}: near a singularity, or another branch'
        )

    def _require_inside(self, joints: Array) -> None:
        """Refuse poses that it cannot have: cut off at a limit, a joint takes the tool away."""
        low, high = self._range
        fine = ((joints >= low) & (joints <= high)) | self._endless | ~self._moves
        if not fine.all():
            step, joint = (int(i) for i in np.argwhere(~fine)[0])
            raise IlRosError(
                f'step {step} takes {self._joints[joint]} to {joints[step, joint]:.3f} rad or m, '
                f'allowed {low[joint]:.3f} to {high[joint]:.3f}: the pose is out of its reach'
            )


def spaces_of(contract: Contract) -> tuple[ActionSpace, ...]:
    """The spaces besides joints that chunks for a contract may be in.

    Raises:
        ContractError: If the contract accepts one by name that its arm cannot have.
    """
    accepted, found = contract.action.accepts, []
    if contract.action.space == 'normalised':
        return ()
    for name in SPACES[1:] if accepted is None else accepted:
        try:
            found.append(ActionSpace(name, contract))
        except ContractError:
            if accepted is not None:
                raise
    return tuple(found)


def _moved(contract: Contract) -> tuple[NDArray[np.bool_], Sequence[Arm]]:
    """Which of the commanded joints move an arm, shape (N,), and the arms."""
    from il_ros.core.arms import arm_of
    from il_ros.core.contract_checks import GRIPPERS

    names, arm = contract.action.names, arm_of(contract)
    goals = [name for x in contract.outputs if x.adapter in GRIPPERS for name in x.joints]
    moves = ~np.isin(names, goals)
    return (moves, ()) if arm is None else (moves & np.isin(names, arm.joints), arm.limbs)


def _require_poses(limbs: Sequence[Arm], where: str) -> None:
    """Refuse poses of tools without an arm, and of arms that cannot have every pose apart."""
    joints = [joint for limb in limbs for joint in limb.joints]
    short = [limb for limb in limbs if limb.chain.size < _FULL]
    if not limbs:
        problem = 'it names no arm, so nobody would know where the tool is'
    elif short:
        problem = f'{short[0].name} has {short[0].chain.size} joints: few poses are in its reach'
    elif len(set(joints)) < len(joints):
        problem = f'a joint moves more than one tool of {limbs[0].name}'
    else:
        return
    raise ContractError(problem, where=f'{where}.arm', allowed='joints or joint_delta for this arm')


def inverse_kinematics(
    chain: SerialChain, position: Array, rotation: Array, seed: Array, *, tool: str = 'tool'
) -> Array:
    """Joint positions, shape (H, n), that take the tool along H poses, from a posture on.

    The next poses that are near one another are solved together, beginning at the posture of the
    last one, so that the arm stays on its branch. An arm with joints to spare takes the smallest
    steps.

    Args:
        chain: The arm.
        position: Of the tool, shape (H, 3) [m, base frame].
        rotation: Matrices, shape (H, 3, 3).
        seed: The posture, shape (n,) [rad or m].
        tool: Its name, for errors.

    Raises:
        IlRosError: If a pose is not reached within POSITION_TOLERANCE and ANGLE_TOLERANCE, or all
            of them are not within MOST_ITERATIONS.
    """
    q, begin, left = np.empty((len(position), len(seed))), 0, MOST_ITERATIONS
    start, own = chain.forward(seed)
    while begin < len(q):
        if left <= 0:
            raise IlRosError(
                f'step {begin}: the poses of {tool} before it are too far from one another: they '
                f'took {MOST_ITERATIONS} iterations'
            )
        near = _distances(position[begin:] - start, rotation[begin:] @ own.T)
        together = np.append((near <= _NEAR).all(axis=0), False)
        end = begin + max(1, int(np.argmin(together)))
        block = slice(begin, end)
        q[block], off, took = _levenberg_marquardt(chain, position[block], rotation[block], seed)
        left -= took
        if not (reached := (off[0] <= POSITION_TOLERANCE) & (off[1] <= ANGLE_TOLERANCE)).all():
            i = int(np.argmin(reached))
            raise IlRosError(
                f'step {begin + i}: no joints bring {tool} nearer to its pose than '
                f'{1e3 * off[0, i]:.1f} mm and {off[1, i]:.3f} rad: out of reach, or near a '
                'singularity'
            )
        seed, start, own, begin = q[end - 1], position[end - 1], rotation[end - 1], end
    return q


def _levenberg_marquardt(
    chain: SerialChain, position: Array, rotation: Array, seed: Array
) -> tuple[Array, Array, int]:
    """Joints (H, n) for H poses, all from one posture, and how far off they are, (2, H) [m, rad].

    And how many iterations that took.

    The damping goes with the squared error, so that it is Newton's method in the end (Sugihara
    2011, Solvability-unconcerned inverse kinematics by the Levenberg-Marquardt method).
    """
    q = np.tile(seed, (len(position), 1))
    for iteration in range(_ITERATIONS + 1):
        frames = chain.frames(q)
        turn = rotation @ frames[:, -1, :3, :3].swapaxes(1, 2)
        error = np.concatenate([position - frames[:, -1, :3, 3], _rotation_vectors(turn)], axis=1)
        if iteration == _ITERATIONS or np.abs(error).max() < _ENOUGH:
            break
        jacobian = chain.jacobian_of(frames)
        gram = jacobian @ jacobian.swapaxes(1, 2)
        square = np.sum(error * error, axis=1, keepdims=True)
        gram[:, range(_FULL), range(_FULL)] += _DAMPING * square + _LEAST_DAMPING
        step = (jacobian.swapaxes(1, 2) @ np.linalg.solve(gram, error[..., None]))[..., 0]
        q = q + step / np.maximum(1.0, np.abs(step).max(axis=1, keepdims=True) / _LONGEST)
    return q, np.linalg.norm(error.reshape(-1, 2, 3), axis=2).T, iteration


def _distances(ways: Array, turns: Array) -> Array:
    """Lengths and angles, shape (2, H) [m, rad], of ways (H, 3) and rotation matrices (H, 3, 3)."""
    return np.asarray(np.linalg.norm([ways, _rotation_vectors(turns)], axis=2))


def _pose_parts(poses: Array, tool: str) -> tuple[Array, Array]:
    """Positions (H, 3) and rotation matrices (H, 3, 3) of poses (H, 7)."""
    length = np.linalg.norm(poses[:, 3:], axis=1)
    if not (unit := np.abs(length - 1.0) <= _NORM).all():
        i = int(np.argmin(unit))
        raise IlRosError(f'step {i}: the quaternion of {tool} has length {length[i]:.4g}, not 1')
    return poses[:, :3], _matrices(poses[:, 3:])


def _matrices(quaternions: Array) -> Array:
    """Rotation matrices (..., 3, 3) of quaternions xyzw (..., 4), of any norm but zero."""
    unit = quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)
    x, y, z, w = np.moveaxis(unit, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _rotation_vectors(matrices: Array) -> Array:
    """Axis times angle [rad], shape (H, 3), of rotation matrices; angles up to pi."""
    quaternion = quaternion_from_matrix(matrices)
    quaternion *= np.where(quaternion[:, 3:] < 0.0, -1.0, 1.0)
    sine = np.linalg.norm(quaternion[:, :3], axis=1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, quaternion[:, 3:])
    return np.asarray(quaternion[:, :3] * np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2))
