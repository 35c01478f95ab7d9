"""A few numbers are answered for as numpy would."""

import numpy as np
import pytest

from il_ros.core.geometry import every, finite, norm

INF, NAN = np.inf, np.nan


@pytest.mark.parametrize('mask', [[], [True], [False], [True, False], [True, True]])
def test_every(mask):
    assert every(np.array(mask, dtype=bool)) is bool(np.all(mask))


@pytest.mark.parametrize('values', [[], [1.0], [NAN, 1.0], [1.0, -INF], [1e308, 1e308]])
def test_finite(values):
    assert finite(np.array(values)) is bool(np.isfinite(values).all())


@pytest.mark.parametrize('values', [[3.0, 4.0, 0.0], [1e-200, 1e-200, 0.0], [1e200, 1e200, 1e200]])
def test_norm(values):
    assert norm(np.array(values)) == pytest.approx(np.hypot(np.hypot(*values[:2]), values[2]))


def test_a_norm_of_what_is_no_number_is_within_no_limit():
    for bad in (NAN, INF, -INF):
        assert not norm(np.array([0.0, bad, 1.0])) <= 1e300
