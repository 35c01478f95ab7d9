import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.interop.feature_mapping import (
    FeatureMapping,
    FeatureSlice,
    ForeignFeature,
    check_mapping,
    load_mapping,
    pick,
)
from il_ros.interop.lerobot_statistics import sample_rows, side_by_side, summary

TEXT = """
streams:
  position: {feature: observation.state, names: [a.pos, b.pos]}
  width: {feature: observation.state, index: [5], scale: [0.01]}
images: {wrist: observation.images.front}
action: {feature: action, scale: [0.0174533]}
outcome: unknown
"""


def test_a_mapping_file(tmp_path):
    (tmp_path / 'map.yaml').write_text(TEXT)
    columns = load_mapping(tmp_path / 'map.yaml')
    assert columns.streams['width'] == FeatureSlice(
        feature='observation.state', index=(5,), scale=(0.01,)
    )
    assert (columns.images, columns.outcome) == ({'wrist': 'observation.images.front'}, 'unknown')


@pytest.mark.parametrize(
    ('old', 'new', 'error'),
    [
        ('index: [5]', 'indices: [5]', "map.yaml.streams.width: unknown key 'indices'; allowed: f"),
        (
            'index: [5]',
            'index: [five]',
            "map.yaml.streams.width.index[0]: got 'five'; allowed: a whole number",
        ),
        ('action: {feature: action, scale: [0.0174533]}\n', '', 'map.yaml.action: missing'),
    ],
)
def test_its_mistakes_are_named_by_their_path(tmp_path, old, new, error):
    (tmp_path / 'map.yaml').write_text(TEXT.replace(old, new))
    with pytest.raises(DatasetError) as caught:
        load_mapping(tmp_path / 'map.yaml')
    assert error in str(caught.value)


@given(st.lists(st.floats(width=32), min_size=3, max_size=3))
def test_numbers_that_are_only_chosen_keep_every_bit(numbers):
    values = np.array([numbers], np.float32)
    picked = pick(FeatureSlice(feature='x', index=(2, 0)), values)
    assert picked.tobytes() == values[:, [2, 0]].tobytes()


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_a_summary_is_that_of_the_finite_numbers(numbers):
    values = np.array([[n, np.nan if n < 0 else 1.0] for n in numbers], np.float32)
    found = summary(values)
    if all(n < 0 for n in numbers):
        assert found is None  # a number that is nowhere finite has no scale
        return
    assert found['mean'] == pytest.approx([np.mean(numbers), 1.0])
    assert found['q10'] == pytest.approx([np.quantile(numbers, 0.1), 1.0])
    assert (found['min'][0], found['max'][0]) == (min(numbers), max(numbers))
    assert found['count'] == [len(numbers)]
    both = side_by_side([found, found])
    assert both['std'] == found['std'] * 2
    assert side_by_side([found, None]) is None


@given(st.lists(st.booleans(), max_size=60))
def test_samples_are_valid_frames_spread_over_all_of_them(flags):
    valid = np.array(flags, bool)
    rows = sample_rows(valid, most=5)
    assert valid[rows].all()
    assert len(set(rows.tolist())) == len(rows) == min(5, valid.sum())


def test_keys_of_a_contract_may_be_called_as_settings_of_a_feature_are(tmp_path):
    (tmp_path / 'map.yaml').write_text(
        'streams:\n'
        '  scale: {feature: weight, scale: 2, offset: [1]}\n'
        '  offset: {feature: shift}\n'
        'images: {scale: front}\n'
        'action: {feature: action, offset: 1e-3}\n'
    )
    columns = load_mapping(tmp_path / 'map.yaml')
    assert columns.streams == {
        'scale': FeatureSlice(feature='weight', scale=(2.0,), offset=(1.0,)),
        'offset': FeatureSlice(feature='shift'),
    }
    assert columns.images == {'scale': 'front'}
    assert columns.action.offset == (0.001,)


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        (
            'streams: {}\naction: {feature: a}\noutcome: sucess\n',
            "outcome: got 'sucess'; allowed: s",
        ),
        ('streams: [a]\naction: {feature: a}\n', 'streams: got '),
        ('streams: {a: b}\naction: {feature: a}\n', 'streams.a: got '),
        ('streams: {}\naction: a\n', "action: got 'a'; allowed: a mapping with feature"),
        ('streams: {}\naction: {feature: a, scale: {b: 1}}\n', 'action.scale[0]: got '),
        ('streams: {}\naction: {feature: a, scale: ~}\n', 'action.scale[0]: got '),
        ('streams: {}\naction: {feature: a, scale: true}\n', 'action.scale[0]: got '),
        ('- streams\n', 'got '),
        ('', 'got '),
        ('7', 'got '),
        ('streams: 2026-13-45\n', "not YAML: '2026-13-45' in line 1: month must be in 1..12"),
        (500 * '[', 'not YAML: '),
        ('\0', 'not YAML: '),
        ('a: &a [*a', 'not YAML: '),
    ],
)
def test_no_file_ends_in_anything_but_a_clear_error(tmp_path, text, error):
    (tmp_path / 'map.yaml').write_text(text)
    with pytest.raises(DatasetError) as caught:
        load_mapping(tmp_path / 'map.yaml')
    assert error in str(caught.value)
    assert 'map.yaml' in str(caught.value)


FEATURES = {
    'action': ForeignFeature(shape=(2,), names=('x', 'y')),
    'state': ForeignFeature(shape=(2, 3), names=('x', 'x')),
    'huge': ForeignFeature(shape=(10**12,)),
    'front': ForeignFeature(shape=(4, 4, 3), image=True),
}
SMALL = parse_contract(
    """
version: 1
name: small
base_frame: base
rate: 20.0
clock: position
observations:
  position: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [position],
             names: [a, b], rate: 20.0}
  speed: {topic: joint_states, type: sensor_msgs/msg/JointState, fields: [velocity],
          names: [a, b], rate: 20.0}
action:
  names: [a, b]
  position: [position]
  velocity: [speed]
  limits: {position_min: [-1, -1], position_max: [1, 1], velocity: [1, 1],
           acceleration: [1, 1], jerk: [1, 1]}
workspace: {min: [0, 0, 0], max: [1, 1, 1]}
"""
)


def checked(action=None, **position):
    columns = FeatureMapping(
        streams={
            'position': FeatureSlice(**({'feature': 'state', 'index': (0, 1)} | position)),
            'speed': FeatureSlice(feature='action'),
        },
        action=FeatureSlice(**({'feature': 'action'} | (action or {}))),
    )
    return check_mapping(columns, SMALL, FEATURES, 'map')


@pytest.mark.parametrize(
    ('position', 'error'),
    [
        ({'index': (0, 1), 'names': ('x', 'y')}, 'map: position: both index and names; allowed: o'),
        ({'names': ('x', 'y'), 'index': ()}, "no single number 'x' in state; allowed: x, x"),
        (
            {'feature': 'huge', 'names': ('x',), 'index': ()},
            'allowed: none has a name: choose by index',
        ),
        ({'feature': 'huge', 'index': ()}, '1000000000000 numbers of huge; allowed: 2'),
        ({'index': (-1, 0)}, 'index [-1, 0]; allowed: 0 to 5'),
        ({'index': (0, 6)}, 'index [0, 6]; allowed: 0 to 5'),
        ({'index': (0, 1, 2)}, '3 numbers of state; allowed: 2'),
        ({'feature': 'front'}, 'front holds images, not numbers'),
        ({'index': (0, 1), 'scale': (1.0, float('-inf'))}, 'position.scale: got 1, -inf'),
        ({'index': (0, 1), 'offset': (1.0, 2.0, 3.0)}, 'position.offset: 3 numbers; allowed: 1, 2'),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(position, error):
    with pytest.raises(DatasetError) as caught:
        checked(**position)
    assert error in str(caught.value)


def test_names_become_indices_and_all_in_order_becomes_none():
    found = checked(index=(5, 0), action={'names': ('y', 'x')})
    assert found.streams['position'].index == (5, 0)
    assert (found.action.index, found.action.names) == ((1, 0), ())
    assert checked(index=(5, 0), action={'names': ('x', 'y')}).action.index == ()
    assert checked(feature='huge', index=(10**12 - 1, 0)).streams['position'].index[0] == 10**12 - 1


numbers = st.floats(-1e3, 1e3)


@given(
    st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=5),
    st.permutations(range(4)),
    st.lists(numbers, min_size=4, max_size=4),
    st.lists(numbers, min_size=1, max_size=1),
)
def test_a_number_is_chosen_then_scaled_then_moved(rows, order, scale, offset):
    column = FeatureSlice(feature='x', index=tuple(order), scale=tuple(scale), offset=tuple(offset))
    found = pick(column, np.array(rows).reshape(-1, 2, 2))
    assert found.dtype == np.float32
    for row, made in zip(rows, found, strict=True):
        wanted = [row[i] * scale[n] + offset[0] for n, i in enumerate(order)]
        np.testing.assert_array_equal(made, np.array(wanted, np.float32))


@pytest.mark.filterwarnings('error')
def test_what_overflows_is_infinite_without_a_warning():
    column = FeatureSlice(feature='x', scale=(1e300,))
    assert pick(column, np.array([[1e300, -1.0]])).tolist() == [[np.inf, -np.inf]]
