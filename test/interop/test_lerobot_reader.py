"""Tables and times of LeRobot datasets that others made, or damaged."""

import json
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.interop import lerobot_layout as layout
from il_ros.interop import lerobot_reader
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice
from il_ros.interop.lerobot_export import export_lerobot

import_lerobot = partial(import_dataset, format='lerobot')

pa = pytest.importorskip('pyarrow')
pq = pytest.importorskip('pyarrow.parquet')

from il_ros.interop.lerobot_reader import as_array, image_bytes, read_tasks  # noqa: E402

DATA = 'data/chunk-000/file-000.parquet'
EPISODES = 'meta/episodes/chunk-000/file-000.parquet'


@pytest.fixture
def foreign(make_dataset, tmp_path):
    """A dataset without images that does not say it is ours."""
    folder = export_lerobot(make_dataset(), tmp_path / 'lerobot')
    (folder / layout.ORIGIN).unlink()
    return folder


@pytest.fixture
def again(foreign, texts, tmp_path):
    """Import it by its contract."""
    contract = parse_contract(texts.state)
    options = {'contract': contract, 'overwrite': True}
    return lambda mapping=None: import_lerobot(
        foreign, tmp_path / 'back', mapping=mapping, **options
    )


def edit(path, **columns):
    """Replace columns of a table by lists; None takes one away."""
    table = pq.read_table(path)
    for name, values in columns.items():
        at = table.column_names.index(name)
        if values is None:
            table = table.remove_column(at)
        else:
            table = table.set_column(at, name, pa.array(values))
    pq.write_table(table, path)


rows = st.lists(st.lists(st.floats(width=32), min_size=3, max_size=3), min_size=1, max_size=9)


@given(rows, st.sampled_from(['fixed', 'list', 'large', 'nested']), st.integers(1, 4))
def test_every_kind_of_list_gives_the_same_bits_in_any_chunks(values, kind, chunk):
    types = {
        'fixed': pa.list_(pa.float32(), 3),
        'list': pa.list_(pa.float32()),
        'large': pa.large_list(pa.float32()),
        'nested': pa.list_(pa.list_(pa.float32())),
    }
    given = [[[x] for x in row] for row in values] if kind == 'nested' else values
    parts = [pa.array(given[i : i + chunk], types[kind]) for i in range(0, len(given), chunk)]
    found = as_array(pa.chunked_array(parts).slice(0), 'x', 3, np.float32)
    assert found.tobytes() == np.array(values, np.float32).tobytes()
    tail = as_array(pa.chunked_array(parts).slice(1), 'x', 3, np.float32)
    assert tail.tobytes() == np.array(values[1:], np.float32).reshape(-1, 3).tobytes()


@pytest.mark.parametrize(
    ('values', 'error'),
    [
        ([[1.0, 2.0, 3.0], [4.0]], 'x: rows of 1 to 3 numbers; allowed: 2 in each row'),
        ([[[1.0], [2.0, 3.0]], [[4.0]]], 'x: rows of 1 to 2 numbers; allowed: 2 in each row'),
        ([[1.0], [2.0]], '2 values of type double in 2 rows, 0 missing; allowed: 2 in each row'),
        ([[1.0, 2.0], None], 'rows without a value'),
        ([[1.0, 2.0], [1.0, None]], '1 missing'),
        ([['a', 'b'], ['c', 'd']], 'values of type string'),
        ([{'a': 1.0}, {'a': 2.0}], 'values of type struct'),
    ],
)
def test_rows_that_do_not_have_their_numbers_are_never_shifted(values, error):
    with pytest.raises(DatasetError) as caught:
        as_array(pa.chunked_array([pa.array(values)]), 'x', 2, None)
    assert error in str(caught.value)


def test_an_empty_table_has_no_rows():
    empty = pa.chunked_array([], pa.list_(pa.float32(), 2))
    assert as_array(empty, 'x', 2, np.float32).shape == (0, 2)


def test_an_image_that_is_not_in_the_table_is_refused():
    inside = pa.array([{'bytes': b'\x89PNG', 'path': None}])
    assert image_bytes(inside, 'x') == (b'\x89PNG',)
    assert image_bytes(pa.array([b'a']), 'x') == (b'a',)
    for value in ({'bytes': None, 'path': 'a.png'}, {'bytes': b'', 'path': None}, None, 'text'):
        with pytest.raises(DatasetError, match='x: a row without the bytes of an image'):
            image_bytes(pa.array([value]), 'x')


def test_tasks_are_read_whatever_pandas_calls_its_index(tmp_path):
    path = tmp_path / 'tasks.parquet'
    for name in ('task', '__index_level_0__'):
        pq.write_table(pa.table({'task_index': [1, 0], name: ['b', 'a']}), path)
        assert read_tasks(path) == {1: 'b', 0: 'a'}
    for columns in ({'task_index': [0]}, {'task': ['a']}, {'task_index': [0], 'a': [1], 'b': [2]}):
        pq.write_table(pa.table(columns), path)
        with pytest.raises(DatasetError, match='allowed: task_index, task'):
            read_tasks(path)


def test_a_small_table_that_becomes_large_is_refused(tmp_path, monkeypatch):
    path, rows = tmp_path / 'tasks.parquet', 1000
    # The text is in the file once.
    pq.write_table(pa.table({'task_index': range(rows), 'task': ['x' * 10_000] * rows}), path)
    assert len(read_tasks(path)) == rows
    monkeypatch.setattr(lerobot_reader, '_BUDGET', 1 << 20)
    with pytest.raises(DatasetError, match=r'rows of 1\d{6} bytes; allowed: at most 1048576 at'):
        read_tasks(path)
    monkeypatch.setattr(lerobot_reader, '_ROWS', rows - 1)
    with pytest.raises(DatasetError, match='1000 rows; allowed: at most 999'):
        read_tasks(path)


def test_rows_of_an_episode_that_become_large_are_refused(foreign, again, monkeypatch):
    assert again() is not None
    monkeypatch.setattr(lerobot_reader, '_EPISODE', 100)
    with pytest.raises(DatasetError, match=r'rows of \d+ bytes; allowed: at most 100 at once'):
        again()


@pytest.mark.parametrize(
    'times',
    [
        lambda n: [0.0] * n,
        lambda n: [0.05 * (n - i) for i in range(n)],
        lambda n: [float('nan')] + [0.05 * i for i in range(1, n)],
        lambda n: [0.05 * i for i in range(n - 1)] + [float('inf')],
        lambda n: [1e300 * i for i in range(n)],
    ],
)
@pytest.mark.filterwarnings('error')
def test_times_that_do_not_increase_are_named(foreign, again, times):
    lengths = (7, 12, 5)
    edit(foreign / DATA, timestamp=[t for n in lengths for t in times(n)])
    with pytest.raises(DatasetError, match='timestamps of episode 0 do not increase'):
        again()


def test_an_episode_of_one_frame_may_be_at_any_time_that_there_is(make_dataset, tmp_path, texts):
    folder = export_lerobot(make_dataset(lengths=(1,)), tmp_path / 'one')
    (folder / layout.ORIGIN).unlink()
    contract = parse_contract(texts.state)
    edit(folder / DATA, timestamp=[3.5])
    assert import_lerobot(folder, tmp_path / 'back', contract=contract).stamp.tolist() == [
        3_500_000_000
    ]
    edit(folder / DATA, timestamp=[1e30])
    with pytest.raises(DatasetError, match='timestamps of episode 0'):
        import_lerobot(folder, tmp_path / 'again', contract=contract)


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        ({'fps': 0}, 'fps 0.0; allowed: a positive number'),
        ({'fps': float('nan')}, 'fps nan'),
        ({'fps': float('inf')}, 'fps inf'),
        ({'fps': 'fast'}, 'cannot be read'),
        ({'features': []}, 'no columns timestamp|no feature'),
        ({'features': {'action': {}}}, 'cannot be read'),
        ({'data_path': 'a\0b'}, 'cannot be read'),
        ({'data_path': ''}, 'cannot be read'),
        ({'codebase_version': 'v4.0'}, 'version v4.0; allowed: v3.0'),
    ],
)
def test_what_the_information_file_cannot_say_is_named(foreign, again, tmp_path, changes, error):
    path = foreign / layout.INFO
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(DatasetError, match=error):
        again()
    assert not (tmp_path / 'back').exists()


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        ({'length': [7, 0, 5]}, 'episode 1 of 0 frames'),
        ({'length': [7, -1, 5]}, 'episode 1 of -1 frames'),
        ({'length': [7, None, 5]}, 'cannot be read'),
        ({'length': [7, 12, 10**12]}, 'episode 2 ends after 5 of 1000000000000 rows'),
        ({'episode_index': [0, 0, 2]}, 'rows of episodes'),
        ({'episode_index': [2, 1, 0]}, 'rows of episodes|ends after'),
        ({'data/file_index': [0, 0, 7]}, 'file-007.parquet: cannot be read'),
        ({'data/file_index': [0, 0, -7]}, 'cannot be read'),
        ({'data/chunk_index': None}, 'cannot be read'),
    ],
)
def test_episodes_that_are_not_where_they_should_be_are_named(foreign, again, changes, error):
    edit(foreign / EPISODES, **changes)
    with pytest.raises(DatasetError, match=error):
        again()


def test_episodes_come_in_their_order_whatever_the_table_has(foreign, again):
    first = again()
    table = pq.read_table(foreign / EPISODES)
    pq.write_table(table.take([2, 0, 1]), foreign / EPISODES)
    assert again().manifest.data_hash == first.manifest.data_hash


@pytest.mark.parametrize(
    'names',
    [
        {'motors': ['left', 'right'], 'note': 'none'},
        [['left', 'right']],
        [['left'], ['right']],
        {'right': 1, 'left': 0},
        {'axes': {'left': 0, 'right': 1}},
    ],
)
def test_names_of_every_shape_choose_the_numbers(foreign, texts, tmp_path, names):
    path = foreign / layout.INFO
    info = json.loads(path.read_text())
    info['features']['action']['names'] = names
    path.write_text(json.dumps(info))
    streams = {k: FeatureSlice(feature=f'observation.{k}') for k in ('position', 'speed', 'width')}
    action = FeatureSlice(feature='action', names=('right', 'left'))
    back = import_lerobot(
        foreign,
        tmp_path / 'back',
        contract=parse_contract(texts.state),
        mapping=FeatureMapping(streams=streams, action=action),
    )
    stored = np.array(pq.read_table(foreign / DATA)['action'].to_pylist(), np.float32)
    np.testing.assert_array_equal(back.action, stored[:, ::-1])


@pytest.mark.parametrize(
    ('names', 'why'),
    [
        (None, 'none has a name'),
        ({'left': 0, 'right': 2}, 'its names cannot be used (indices that are not 0, 1, 2, ...)'),
        ({'left': 0, 'right': 0}, 'its names cannot be used (indices that are not 0, 1, 2, ...)'),
        (['left', 'right', 'top'], 'it has 3 names for 2 numbers'),
        ('left', 'its names cannot be used (str in the place of a list)'),
        ([[[[['left', 'right']]]]], 'its names cannot be used (lists in lists in lists)'),
    ],
)
def test_names_that_do_not_fit_are_an_error_only_where_they_are_used(foreign, again, names, why):
    path = foreign / layout.INFO
    info = json.loads(path.read_text())
    info['features']['action']['names'] = names
    path.write_text(json.dumps(info))
    assert again().frames
    mapping = FeatureMapping(
        streams={
            k: FeatureSlice(feature=f'observation.{k}') for k in ('position', 'speed', 'width')
        },
        action=FeatureSlice(feature='action', names=('right', 'left')),
    )
    with pytest.raises(DatasetError) as caught:
        again(mapping)
    assert f"no single number 'right' in action; allowed: {why}: choose by index" in str(
        caught.value
    )


@given(
    st.recursive(
        st.none() | st.text(max_size=3) | st.integers(-1, 4) | st.booleans() | st.floats(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        ),
        max_leaves=6,
    )
)
def test_whatever_stands_for_names_there_is_one_for_each_number_or_none(names):
    found = lerobot_reader._feature({'dtype': 'float32', 'shape': [3], 'names': names})
    assert len(found.names) in (0, 3)


@given(st.text(max_size=12))
def test_no_template_names_a_file_outside_whatever_it_is(template):
    from pathlib import Path

    root = Path('/nowhere/dataset')
    for text in (template, f'../{template}', template + '{chunk_index}', '{video_key}' + template):
        try:
            path = layout.inside(root, text, chunk_index=1, file_index=2, video_key='../../x')
        except (DatasetError, ValueError):  # a null byte; the reader names the file
            continue
        assert path.resolve().is_relative_to(root)


@given(st.integers(0, 10**6))
def test_a_number_is_found_where_it_was_put(number):
    from pathlib import Path

    place = layout.place('data', number)
    chunk, file = place['data/chunk_index'], place['data/file_index']
    path = layout.numbered(Path('/x'), layout.DATA, number)
    assert path == Path(f'/x/data/chunk-{chunk:03d}/file-{file:03d}.parquet')
    assert chunk * layout.CHUNK + file == number
