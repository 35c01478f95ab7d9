import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import DatasetError
from il_ros.interop.feature_mapping import FeatureSlice, load_mapping, pick
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
