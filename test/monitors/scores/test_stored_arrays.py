"""What comes back from a file is checked before it is used."""

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.monitors.scores.score import load_arrays


def test_arrays_come_in_the_order_asked_for_and_in_double_precision():
    arrays = {'b': np.ones((2, 3), dtype=np.float32), 'a': np.zeros(3), 'other': np.zeros(1)}
    a, b = load_arrays(arrays, 'x score', a='D', b='KD')
    assert a.shape == (3,)
    assert b.shape == (2, 3)
    assert b.dtype == np.float64


@pytest.mark.parametrize(
    ('arrays', 'text'),
    [
        ({'a': np.zeros(3)}, r'^x score: b missing; allowed: a, b$'),
        ({}, r'^x score: a, b missing; allowed: a, b$'),
        (
            {'a': np.zeros(3), 'b': np.zeros((3, 2))},
            r'^x score: a \(3,\) and b \(3, 2\) do not belong together; '
            r'allowed: \(D,\) and \(D, D\)$',
        ),
        ({'a': np.zeros(3), 'b': np.zeros(3)}, r'b \(3,\) do not belong together'),
        ({'a': np.zeros(0), 'b': np.zeros((0, 0))}, r'a \(0,\) and b \(0, 0\) do not belong'),
        (
            {'a': np.zeros(1), 'b': np.full((1, 1), np.nan)},
            r'^x score: b not finite; allowed: finite numbers$',
        ),
    ],
)
def test_errors_say_what_is_wrong(arrays, text):
    with pytest.raises(IlRosError, match=text):
        load_arrays(arrays, 'x score', a='D', b='DD')
