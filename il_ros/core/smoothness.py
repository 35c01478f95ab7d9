"""How smoothly an arm was commanded: two measures that do not depend on how far it went."""

from __future__ import annotations

import numpy as np

from il_ros.core.limits import Array

CUTOFF_HZ = 10.0
"""Motion above this frequency is not the arm's any more but noise's."""


def spectral_arc_length(
    times: Array, joints: Array, *, cutoff: float = CUTOFF_HZ, floor: float = 0.05
) -> float | None:
    """Return the spectral arc length (SPARC) of the joint speed: 0 is ideal, lower is rougher.

    It is the length of the magnitude spectrum of the speed profile, both axes normalised, and so
    depends neither on how far the arm went nor on how long it took (Balasubramanian et al. 2015,
    On the analysis of movement smoothness, eq. 4-5).

    Args:
        times: Time of each command, not decreasing, shape (T,) [s].
        joints: Commanded positions, shape (T, N) [rad or m]; rows with NaN are left out.
        cutoff: Highest frequency that counts [Hz].
        floor: The spectrum counts up to the last frequency where it is at least this share of
            its peak.

    Returns:
        The (negative) length, or None where it is not defined: fewer than 4 commands, or an arm
        that was told to stand still.
    """
    usable = np.isfinite(joints).all(axis=1)
    times, joints = times[usable], joints[usable]
    fresh = np.diff(times, prepend=-np.inf) > 0
    times, joints = times[fresh], joints[fresh]
    if len(times) < 4:
        return None
    speed, step = _even_speed(times, joints)
    if not speed.max() > 1e-9:
        return None
    # Padding to 16 times the length only samples the same spectrum finely enough to measure it.
    size = 2 ** (int(np.ceil(np.log2(len(speed)))) + 4)
    magnitude = np.abs(np.fft.rfft(speed, size))
    magnitude /= magnitude.max()
    frequency = np.fft.rfftfreq(size, step)
    inside = np.flatnonzero((frequency <= cutoff) & (magnitude >= floor))
    if inside[-1] == 0:
        return None
    spectrum = magnitude[: inside[-1] + 1]
    width = 1 / inside[-1]
    return -float(np.hypot(width, np.diff(spectrum)).sum())


def log_dimensionless_jerk(joints: Array, step: float) -> float | None:
    """Return the log dimensionless jerk (LDLJ): lower is rougher.

    It is -ln(T^3 / v^2 * integral of squared jerk), T the duration and v the peak speed, and so
    depends neither on how far the arm went nor on how long it took (Balasubramanian et al. 2015,
    On the analysis of movement smoothness, eq. 3). A minimum-jerk movement has -5.3.

    Args:
        joints: Commanded positions at even times, without NaN, shape (T, N) [rad or m].
        step: Time between two of them [s].

    Returns:
        The measure, or None where it is not defined: fewer than 4 commands, commands to stand
        still, or commands without jerk.
    """
    if len(joints) < 4:
        return None
    peak = float(np.linalg.norm(np.diff(joints, axis=0), axis=1).max()) / step
    jerk = np.diff(joints, 3, axis=0) / step**3
    duration = step * (len(joints) - 1)
    # The mean over the duration, as the differences cover one and a half steps less at each end.
    squared = float((jerk**2).sum(axis=1).mean()) * duration
    if not (peak > 1e-9 and squared * duration**3 > 1e-9 * peak**2):
        return None
    return -float(np.log(squared * duration**3 / peak**2))


def _even_speed(times: Array, joints: Array) -> tuple[Array, float]:
    """Return the joint speed at evenly spaced times, and their spacing [s]."""
    step = float(np.median(np.diff(times)))
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=1) / np.diff(times)
    middle = (times[:-1] + times[1:]) / 2
    even = np.arange(middle[0], middle[-1] + step / 2, step)
    return np.interp(even, middle, speed), step
