"""Joint positions for a pose of the tool, by the steps that jogging and the experts take."""

import numpy as np

from il_ros.core.geometry import rotation_vector
from il_ros.core.kinematics import SerialChain, resolve
from il_ros.core.limits import Array


def solve_ik(
    chain: SerialChain,
    position: Array,
    rotation: Array,
    *,
    start: Array,
    lower: Array,
    upper: Array,
    tolerance: float = 1e-5,
) -> tuple[Array, float]:
    """The best posture (n,) [rad] within the bounds, and what is left of the way [m, rad]."""
    q = np.clip(start, lower, upper)
    rest, best, least = q, q, np.inf
    for _ in range(100):
        frames = chain.frames(q)
        turn = rotation_vector(rotation @ frames[-1, :3, :3].T)
        twist = np.concatenate([position - frames[-1, :3, 3], turn])
        error = float(np.linalg.norm(twist))
        if error < least:
            best, least = q, error
        if least <= tolerance:
            break
        # Damping and pull fade with the error, so that neither biases the solution.
        damping, pull = 1e-3 + 0.1 * min(error, 1.0), min(error, 0.1) * (rest - q)
        step = resolve(chain.jacobian_of(frames), twist, damping=damping, pull=pull)
        q = np.clip(q + np.clip(step, -0.5, 0.5), lower, upper)
    return best, least
