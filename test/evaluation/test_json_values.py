"""Numbers that JSON lacks survive a file, and nothing else passes for a number."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.evaluation import json_values
from il_ros.evaluation.json_values import read_columns, read_number, read_vector, to_json


def stored(value):
    return json.loads(json.dumps(to_json(value), allow_nan=False))


@given(st.lists(st.floats() | st.just(math.nan)))
def test_every_float_comes_back(values):
    np.testing.assert_array_equal(read_vector(stored(np.array(values))), np.array(values))
    np.testing.assert_array_equal(read_vector(stored(tuple(values))), np.array(values))


@given(st.integers(0, 4), st.integers(1, 4), st.randoms(use_true_random=False))
def test_columns_come_back_in_their_shape(rows, width, random):
    table = np.array([[random.random() for _ in range(width)] for _ in range(rows)])
    table = table.reshape(rows, width)
    np.testing.assert_array_equal(read_columns(stored(table.T)), table)


def test_keys_and_nested_numbers_become_plain():
    given = {3: [np.float32(0.5), np.int64(7), {'x': (-math.inf,)}], 'b': np.bool_(True)}
    assert stored(given) == {'3': [0.5, 7, {'x': ['-Infinity']}], 'b': True}


@pytest.mark.parametrize('value', [True, False, '1', 'nan', 'inf', [], {}, [1.0], 10**400])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match='number'):
        read_number(value)
    with pytest.raises(ValueError, match='finite number'):
        json_values.read_finite(value)


@pytest.mark.parametrize(
    ('name', 'good', 'wrong'),
    [
        ('read_integer', 0, [True, 1.0, '1', None]),
        ('read_boolean', False, [0, 1, 'true', None]),
        ('read_text', '', [0, None, ['a']]),
        ('read_list', [], [{}, 'ab', None]),
        ('read_counts', {'a': 2}, [[], {'a': True}, {'a': 1.0}, None]),
        ('read_columns', [], [[[1], [1, 2]], [1], 'ab', None]),
    ],
)
def test_a_reader_takes_its_type_alone(name, good, wrong):
    reader = getattr(json_values, name)
    assert np.array_equal(reader(good), good) or reader(good).shape == (0, 0)
    for value in wrong:
        with pytest.raises(ValueError, match=r'\w'):
            reader(value)
