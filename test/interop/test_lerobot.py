import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from made_episodes import observation_matrix

from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError
from il_ros.interop.dataset_import import import_dataset
from il_ros.interop.feature_mapping import FeatureMapping, FeatureSlice
from il_ros.interop.lerobot_export import export_lerobot

import_lerobot = partial(import_dataset, format='lerobot')

pa = pytest.importorskip('pyarrow')
pq = pytest.importorskip('pyarrow.parquet')


@pytest.fixture
def exported(make_dataset, tmp_path, texts):
    dataset = make_dataset(texts.state + texts.images + texts.depth)
    return dataset, export_lerobot(dataset, tmp_path / 'lerobot')


def column(folder, name):
    return pq.read_table(folder / 'data/chunk-000/file-000.parquet')[name]


def edit_info(folder, **changes):
    path = folder / 'meta/info.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_columns_are_those_that_lerobot_publishes(exported):
    dataset, folder = exported
    info = json.loads((folder / 'meta/info.json').read_text())
    assert (info['codebase_version'], info['fps']) == ('v3.0', 20)
    assert (info['total_episodes'], info['total_frames'], info['total_tasks']) == (3, 24, 2)
    assert info['splits'] == {'train': '0:3'}
    assert info['features']['observation.state'] == {
        'dtype': 'float32',
        'shape': [8],
        'names': ['position.a', 'position.b', 'speed.a', 'speed.b', 'goal.0', 'goal.1', 'goal.2',
                  'width.g'],
    }  # fmt: skip
    assert info['features']['observation.images.wrist']['shape'] == [32, 48, 3]
    table = pq.read_table(folder / 'data/chunk-000/file-000.parquet')
    assert set(table.column_names) == set(info['features'])  # else lerobot refuses the file
    state = table.schema.field('observation.state').type
    assert (state.list_size, state.value_type) == (8, pa.float32())
    assert table.schema.field('observation.width').type == pa.float32()  # shape (1,): a number
    assert table['timestamp'].to_pylist()[7:9] == [0.0, np.float32(0.05)]
    assert table['frame_index'].to_pylist()[6:8] == [6, 0]
    assert table['index'].to_pylist() == list(range(24))
    assert table['il_ros.stamp'].to_pylist() == dataset.stamp.tolist()


def test_values_that_are_not_valid_stay_nan_in_the_table(exported):
    dataset, folder = exported
    stored = np.array(column(folder, 'observation.state').to_pylist(), np.float32)
    np.testing.assert_array_equal(stored, observation_matrix(dataset))
    assert np.isnan(stored).any()


def test_images_are_the_same_bytes_and_black_where_there_is_none(exported):
    dataset, folder = exported
    stored = column(folder, 'observation.images.wrist').to_pylist()
    store = dataset.images['wrist']
    for i, valid in enumerate(dataset.valid['wrist']):
        if valid:
            assert stored[i]['bytes'] == store.encoded(i)
        else:
            assert stored[i]['bytes'].startswith(b'\x89PNG')
    assert not dataset.valid['wrist'].all()


def test_episodes_and_tasks_are_tables_of_their_own(exported):
    _, folder = exported
    rows = pq.read_table(folder / 'meta/episodes/chunk-000/file-000.parquet').to_pylist()
    assert [(r['dataset_from_index'], r['dataset_to_index']) for r in rows] == [
        (0, 7), (7, 19), (19, 24)
    ]  # fmt: skip
    assert [r['tasks'] for r in rows] == [['task 0'], ['task 1'], ['task 0']]
    assert len(rows[0]['stats/observation.images.wrist/mean']) == 3
    tasks = pq.read_table(folder / 'meta/tasks.parquet')
    assert tasks.to_pylist() == [
        {'task_index': 0, 'task': 'task 0'}, {'task_index': 1, 'task': 'task 1'}
    ]  # fmt: skip
    assert json.loads(tasks.schema.metadata[b'pandas'])['index_columns'] == ['task']


def test_statistics_are_those_of_the_valid_numbers(exported):
    dataset, folder = exported
    stats = json.loads((folder / 'meta/stats.json').read_text())
    goal = dataset.values['goal']
    assert stats['observation.goal']['mean'] == pytest.approx(np.nanmean(goal, axis=0))
    assert stats['observation.state']['q99'][4:7] == pytest.approx(
        np.nanquantile(goal, 0.99, axis=0)
    )
    assert stats['action']['std'] == pytest.approx(dataset.action.std(axis=0), rel=1e-5)
    assert stats['action']['count'] == [24]
    pixels = np.array([dataset.images['side'][i] for i in np.flatnonzero(dataset.valid['side'])])
    found = stats['observation.images.side']
    assert np.shape(found['mean']) == (3, 1, 1)  # as lerobot checks
    assert found['mean'][0][0][0] == pytest.approx(pixels[:, ::4, ::4].mean() / 255)
    assert found['q50'][0][0][0] == pytest.approx(np.median(pixels[:, ::4, ::4]) / 255, abs=0.01)
    assert 'observation.images.depth' not in stats


def test_a_video_keeps_everything_but_detail(make_dataset, texts, tmp_path):
    pytest.importorskip('av')
    dataset = make_dataset(texts.state + texts.images)
    folder = export_lerobot(dataset, tmp_path / 'lerobot', images='video')
    assert (folder / 'videos/observation.images.wrist/chunk-000/file-000.mp4').exists()
    rows = pq.read_table(folder / 'meta/episodes/chunk-000/file-000.parquet').to_pylist()
    key = 'videos/observation.images.wrist'
    assert [r[f'{key}/from_timestamp'] for r in rows] == pytest.approx([0, 0.35, 0.95])
    back = import_lerobot(folder, tmp_path / 'back')
    arrays = dict(back.arrays())
    for name, array in dataset.arrays():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    for key, store in dataset.images.items():
        for i in np.flatnonzero(dataset.valid[key]):
            lost = np.abs(store[i].astype(int) - back.images[key][i].astype(int)).mean()
            assert lost < 6, (key, i)


def test_depth_and_odd_sizes_never_become_a_video(make_dataset, texts, tmp_path):
    pytest.importorskip('av')
    dataset = make_dataset(texts.state + texts.images + texts.depth)
    with pytest.raises(DatasetError, match='depth has 16 bits a pixel, a video has 8'):
        export_lerobot(dataset, tmp_path / 'lerobot', images='video')
    odd = make_dataset(texts.state + texts.images.replace('[32, 48]', '[31, 48]'), name='odd')
    with pytest.raises(DatasetError, match=r'images of 31 x 48.*even sizes.*images=image'):
        export_lerobot(odd, tmp_path / 'lerobot', images='video')
    assert sorted(os.listdir(tmp_path)) == ['dataset', 'odd']  # nothing of the attempts is left


def test_large_data_goes_into_several_files(make_dataset, same, texts, tmp_path, monkeypatch):
    monkeypatch.setattr('il_ros.interop.lerobot_layout.DATA_MB', 0)
    monkeypatch.setattr('il_ros.interop.lerobot_layout.VIDEO_MB', 0)
    monkeypatch.setattr('il_ros.interop.lerobot_layout.CHUNK', 2)
    dataset = make_dataset(texts.state + texts.images)
    folder = export_lerobot(dataset, tmp_path / 'lerobot')
    found = sorted(str(p.relative_to(folder)) for p in (folder / 'data').rglob('*.parquet'))
    assert found == [f'data/chunk-00{c}/file-00{f}.parquet' for c, f in ((0, 0), (0, 1), (1, 0))]
    same(dataset, import_lerobot(folder, tmp_path / 'back'))
    pytest.importorskip('av')
    folder = export_lerobot(dataset, tmp_path / 'videos', images='video')
    assert len(list((folder / 'videos').rglob('*.mp4'))) == 6
    assert import_lerobot(folder, tmp_path / 'again').frames == 24


@pytest.mark.parametrize(
    ('name', 'content', 'error'),
    [
        ('meta/info.json', b'{', 'info.json: cannot be read'),
        ('meta/info.json', b'{"codebase_version": "v2.1", "features": {}, "fps": 1,'
         b' "data_path": ""}',
         'version v2.1; allowed: v3.0; to fix: convert it by lerobot'),
        ('meta/il_ros.json', b'{"format": 7}', 'format 7; allowed: 1'),
        ('meta/il_ros_episodes.jsonl', b'{}\n', '1 lines; allowed: one an episode'),
        ('meta/tasks.parquet', b'PAR1', 'cannot be read'),
        ('meta/episodes/chunk-000/file-000.parquet', b'PAR1' * 9, 'cannot be read'),
        ('data/chunk-000/file-000.parquet', b'', 'cannot be read'),
    ],
)  # fmt: skip
def test_damaged_files_are_named(exported, tmp_path, name, content, error):
    _, folder = exported
    (folder / name).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        import_lerobot(folder, tmp_path / 'back')
    assert error in str(caught.value)
    assert str(folder) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ['dataset', 'lerobot']


@pytest.mark.parametrize(
    ('template', 'error'),
    [
        ('../../etc/{chunk_index}-{file_index}', 'leads out of the folder'),
        ('/etc/passwd', 'leads out of the folder'),
        ('{chunk_index.__class__}', 'allowed: chunk_index, file_index'),
        ('{chunk_index:999999999d}', 'allowed: fields like'),
        ('{secret}', 'allowed: chunk_index, file_index'),
        ('{', 'path'),
    ],
)
def test_path_templates_never_leave_the_folder(exported, tmp_path, template, error):
    _, folder = exported
    edit_info(folder, data_path=template)
    with pytest.raises(DatasetError) as caught:
        import_lerobot(folder, tmp_path / 'back')
    assert error in str(caught.value)


def test_nor_do_links(exported, tmp_path):
    _, folder = exported
    file = folder / 'data/chunk-000/file-000.parquet'
    file.rename(tmp_path / 'elsewhere')
    file.symlink_to(tmp_path / 'elsewhere')
    with pytest.raises(DatasetError, match=r'leads out of the folder.*cp -rL'):
        import_lerobot(folder, tmp_path / 'back')


def test_rows_that_are_not_where_the_metadata_says_are_refused(exported, tmp_path):
    _, folder = exported
    file = folder / 'data/chunk-000/file-000.parquet'
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    with pytest.raises(DatasetError, match=r'rows of episodes .*allowed: episode 0 there'):
        import_lerobot(folder, tmp_path / 'back')
    pq.write_table(table.slice(0, 20), file)
    with pytest.raises(DatasetError, match='episode 2 ends after 1 of 5 rows'):
        import_lerobot(folder, tmp_path / 'back')
    pq.write_table(table.drop_columns(['il_ros.stamp']), file)
    with pytest.raises(DatasetError, match=r'no columns il_ros.stamp'):
        import_lerobot(folder, tmp_path / 'back')
    narrow = table['action'].cast(pa.list_(pa.float64(), 2))
    index = table.column_names.index('action')
    pq.write_table(table.set_column(index, 'action', narrow), file)
    with pytest.raises(DatasetError, match='action: float64; allowed: float32'):
        import_lerobot(folder, tmp_path / 'back')


def foreign(folder):
    """Take away what is ours, as if somebody else had written it."""
    for name in ('meta/il_ros.json', 'meta/il_ros_episodes.jsonl'):
        (folder / name).unlink()
    file = folder / 'data/chunk-000/file-000.parquet'
    table = pq.read_table(file)
    theirs = [n for n in table.column_names if not n.startswith('il_ros')]
    pq.write_table(table.select(theirs), file)
    features = json.loads((folder / 'meta/info.json').read_text())['features']
    edit_info(folder, features={n: features[n] for n in theirs})


def test_a_foreign_dataset_gets_made_up_stamps_and_says_so(exported, texts, tmp_path):
    dataset, folder = exported
    foreign(folder)
    contract = parse_contract(texts.state + texts.images)
    with pytest.raises(DatasetError, match='give a contract'):
        import_lerobot(folder, tmp_path / 'back')
    back = import_lerobot(folder, tmp_path / 'back', contract=contract)
    assert back.stamp[:8].tolist() == [0, *(50_000_000 * i for i in range(1, 7)), 0]
    assert {e.notes for e in back.episodes} == {
        'stamps are synthetic, made from the frame times of the imported dataset'
    }
    assert [e.task for e in back.episodes] == ['task 0', 'task 1', 'task 0']
    np.testing.assert_array_equal(back.values['goal'], dataset.values['goal'])
    np.testing.assert_array_equal(back.valid['goal'], dataset.valid['goal'])
    np.testing.assert_array_equal(back.action, dataset.action)
    assert (back.source == 3).all()  # demonstrator
    assert not back.valid['object'].any()
    assert back.age[0, 0] == 0.0


def columns(**changes):
    whole = {
        'streams': {
            'position': FeatureSlice(
                feature='observation.state', names=('position.b', 'position.a')
            ),
            'speed': FeatureSlice(
                feature='observation.state', index=(2, 3), scale=(2.0,), offset=(1.0,)
            ),
            'width': FeatureSlice(feature='observation.width'),
        },
        'action': FeatureSlice(feature='action', scale=(1.0, 0.5)),
    }
    return FeatureMapping(**(whole | changes))


def test_a_mapping_chooses_turns_and_scales(exported, texts, tmp_path):
    dataset, folder = exported
    foreign(folder)
    back = import_lerobot(
        folder, tmp_path / 'back', contract=parse_contract(texts.state), mapping=columns()
    )
    np.testing.assert_array_equal(back.values['position'], dataset.values['position'][:, ::-1])
    np.testing.assert_allclose(back.values['speed'], dataset.values['speed'] * 2 + 1, rtol=1e-6)
    np.testing.assert_allclose(back.action, dataset.action * [1, 0.5], rtol=1e-6)
    assert np.isnan(back.values['goal']).all()


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        (
            {'action': FeatureSlice(feature='act')},
            "action: no feature 'act' in the dataset; allowed: ",
        ),
        ({'action': FeatureSlice(feature='action', index=(0, 2))}, 'index [0, 2]; allowed: 0 to 1'),
        ({'action': FeatureSlice(feature='action', index=(0,))}, '1 numbers of action; allowed: 2'),
        (
            {'action': FeatureSlice(feature='action', names=('a', 'z'))},
            "no single number 'z' in action",
        ),
        ({'action': FeatureSlice(feature='action', scale=(1, 2, 3))},
         'action.scale: 3 numbers; allowed: 1,'),
        ({'action': FeatureSlice(feature='observation.images.wrist')}, 'holds images, not numbers'),
        ({'streams': {}}, 'no feature for position, speed, width, which the contract requires'),
        ({'images': {'wrist': 'action'}}, 'action holds no images'),
        ({'images': {'top': 'action'}}, "no key 'top' in contract test; allowed: wrist, side"),
        ({'images': {'side': 'observation.images.wrist'}}, 'an image of 32 x 48'),
    ],
)  # fmt: skip
def test_a_mapping_that_does_not_fit_is_refused(exported, texts, tmp_path, changes, error):
    _, folder = exported
    contract = parse_contract(texts.state + texts.images)
    with pytest.raises(DatasetError) as caught:
        import_lerobot(folder, tmp_path / 'back', contract=contract, mapping=columns(**changes))
    assert error in str(caught.value)
    assert not (tmp_path / 'back').exists()


def test_a_missing_library_names_what_to_install(make_dataset, tmp_path, monkeypatch):
    dataset = make_dataset()
    monkeypatch.setitem(sys.modules, 'pyarrow', None)
    monkeypatch.delitem(sys.modules, 'pyarrow.parquet')
    with pytest.raises(DatasetError, match=r"needs pyarrow.*pip install 'il_ros\[interop\]'"):
        export_lerobot(dataset, tmp_path / 'lerobot')
    assert os.listdir(tmp_path) == ['dataset']


def test_rates_and_keys_that_lerobot_has_other_ideas_of(make_dataset, same, texts, tmp_path):
    text = texts.state.replace('rate: 20.0\nclock', 'rate: 12.5\nclock').replace('goal:', 'state:')
    dataset = make_dataset(text)
    folder = export_lerobot(dataset, tmp_path / 'lerobot')
    info = json.loads((folder / 'meta/info.json').read_text())
    assert info['fps'] == 12.5
    assert info['features']['observation.state']['shape'] == [8]
    assert info['features']['il_ros.observation.state']['shape'] == [3]
    same(dataset, import_lerobot(folder, tmp_path / 'back'))


CHECK = """
import sys, numpy as np
from pathlib import Path
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from il_ros.datasets.dataset import load_dataset
theirs = LeRobotDataset('il_ros/test', root=sys.argv[1], video_backend='pyav')
ours = load_dataset(Path(sys.argv[2]))
assert len(theirs) == ours.frames
for i in range(ours.frames):
    item = theirs[i]
    np.testing.assert_array_equal(item['observation.state'].numpy(), observation_matrix(ours)[i])
    np.testing.assert_array_equal(item['action'].numpy(), ours.action[i])
    assert item['il_ros.stamp'].item() == ours.stamp[i]
    if ours.valid['wrist'][i]:
        pixels = np.moveaxis(item['observation.images.wrist'].numpy() * 255, 0, -1)
        assert np.abs(pixels - ours.images['wrist'][i]).mean() < 5
"""


@pytest.mark.slow
@pytest.mark.parametrize('images', ['image', 'video'])
def test_lerobots_own_reader_agrees(make_dataset, texts, tmp_path, images):
    """In the interpreter that IL_ROS_LEROBOT_PYTHON names: lerobot pins libraries as we do not."""
    python = os.environ.get('IL_ROS_LEROBOT_PYTHON', sys.executable)
    found = subprocess.run([python, '-c', 'import lerobot'], capture_output=True, check=False)
    if found.returncode:
        pytest.skip('lerobot is not installed; see docs/how-to/interop.md')
    dataset = make_dataset(texts.state + texts.images)
    folder = export_lerobot(dataset, tmp_path / 'lerobot', images=images)
    arguments = [python, '-c', CHECK, str(folder), str(tmp_path / 'dataset')]
    environment = {**os.environ, 'HF_HUB_OFFLINE': '1', 'HF_HOME': str(tmp_path / 'hf')}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
