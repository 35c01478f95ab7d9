"""Rerun recordings, read back by Rerun's own reader."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from cdr_messages import STORE, compressed, header, image
from rosbags.typesys import get_types_from_msg

from il_ros.bags import EpisodeWriter
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.core.contract import parse_contract
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.datasets.episode_arrays import SOURCES
from il_ros.datasets.memory_dataset import dataset_of
from il_ros.interop.rerun.rerun_bag import view_bag
from il_ros.interop.rerun.rerun_dataset import moments_at, view_dataset
from il_ros.interop.rerun.rerun_file import RerunFile, RowTimes, entity

chunk = pytest.importorskip('rerun.chunk')
MS = 1_000_000
STATUS, SCORES = 'il_ros/msg/MonitorStatus', 'il_ros/msg/MonitorScores'
MSG = Path(__file__).parents[3] / 'msg'
for name in (STATUS, SCORES):
    text = (MSG / f'{name.split("/")[-1]}.msg').read_text()
    STORE.register(get_types_from_msg(text, name))


def read(path):
    """Columns by entity: {'time': ..., 'frame': ..., 'Scalars:scalars': ...}; static ones apart."""
    moving, fixed = {}, {}
    for part in chunk.RrdReader(str(path)).stream():
        batch = part.to_record_batch()
        columns = {n: batch.column(n) for n in batch.schema.names if 'RowId' not in n}
        if part.is_static:
            into = fixed.setdefault(part.entity_path.lstrip('/'), {})
            into.update({n: c.to_pylist() for n, c in columns.items()})
            continue
        into = moving.setdefault(part.entity_path.lstrip('/'), {})
        for name, column in columns.items():
            plain = column.cast('int64') if name == 'time' else column
            into.setdefault(name, []).extend(plain.to_pylist())
    return moving, fixed


def scalars(rows):
    return np.array(rows['Scalars:scalars'], float)


def blobs(rows, kind='EncodedImage'):
    return [bytes(row[0]) for row in rows[f'{kind}:blob']]


@pytest.fixture
def dataset(camera_contract, camera_episode):
    return dataset_of(camera_contract, [camera_episode(1, 5), camera_episode(2, 80)])


def test_a_dataset_comes_back_as_it_is(tmp_path, dataset):
    told = view_dataset(dataset, 1, tmp_path / 'e.rrd')
    moving, fixed = read(tmp_path / 'e.rrd')
    episode = dataset.episode_arrays(1)
    assert set(moving) | set(fixed) == set(told)
    for name in ('joint/a/position', 'joint/b/executed', 'observation/wrench', 'quality/age'):
        assert moving[name]['time'] == episode.stamp.tolist()
        assert moving[name]['frame'] == list(range(80))
        assert told[name] == 80
    for i, joint in enumerate('ab'):
        for kind, values in (
            ('position', episode.values['position']),
            ('velocity', episode.values['speed']),
            ('executed', episode.action_raw),
            ('training', episode.action),
        ):
            found = scalars(moving[f'joint/{joint}/{kind}'])
            np.testing.assert_array_equal(found[:, 0], values[:, i])
    np.testing.assert_array_equal(scalars(moving['observation/wrench']), episode.values['wrench'])
    assert fixed['observation/wrench']['SeriesLines:names'] == [['force x', 'force y', 'force z']]
    source = moving['control/source']
    assert source['StateChange:state'] == [[SOURCES[2]]]
    assert moving['events']['TextLog:text'] == [['note: ø\u2028ø\u2028']]
    assert 'episode: e2' in fixed['episode']['TextDocument:text'][0][0]


def test_images_are_the_bytes_that_the_dataset_has(tmp_path, dataset):
    view_dataset(dataset, 1, tmp_path / 'e.rrd')
    moving, _ = read(tmp_path / 'e.rrd')
    episode = dataset.episode_arrays(1)
    assert blobs(moving['camera/wrist']) == list(episode.images['wrist'])
    there = np.flatnonzero(episode.valid['depth'])
    assert moving['camera/depth']['frame'] == there.tolist()
    depth = blobs(moving['camera/depth'], 'EncodedDepthImage')
    assert depth == [episode.images['depth'][i] for i in there]
    assert moving['camera/depth']['EncodedDepthImage:media_type'][0] == ['image/png']
    assert moving['camera/depth']['EncodedDepthImage:meter'][0] == [1000.0]


def test_what_is_not_valid_is_a_gap(tmp_path, dataset):
    view_dataset(dataset, 0, tmp_path / 'e.rrd')
    moving, _ = read(tmp_path / 'e.rrd')
    assert np.isnan(scalars(moving['observation/object'])).all()
    assert 'world/object' not in moving  # and no path of a pose that nobody saw
    age = scalars(moving['quality/age'])
    keys = list(dataset.contract.inputs)
    assert np.isnan(age[:, keys.index('object')]).all()
    assert not np.isnan(age[:, keys.index('position')]).any()


def test_there_is_a_blueprint_and_two_files_of_one_episode_are_alike(tmp_path, dataset):
    for name in 'ab':
        view_dataset(dataset, 0, tmp_path / f'{name}.rrd')
    one, other = (chunk.RrdReader(str(tmp_path / f'{n}.rrd')) for n in 'ab')
    assert len(one.blueprints()) == 1
    assert [r.recording_id for r in one.recordings()] == ['e1']
    assert one.recordings() == other.recordings()
    assert repr(read(tmp_path / 'a.rrd')) == repr(read(tmp_path / 'b.rrd'))


def test_no_such_episode(tmp_path, dataset):
    with pytest.raises(DatasetError, match=r'no episode 2; allowed: 0 to 1'):
        view_dataset(dataset, 2, tmp_path / 'e.rrd')
    with pytest.raises(DatasetError, match='no episode -1'):
        view_dataset(dataset, -1, tmp_path / 'e.rrd')
    assert not os.listdir(tmp_path)


class _Unreadable:
    def __iter__(self):
        raise ValueError('names')


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / 'e.rrd'
    path.write_bytes(b'old')
    moments = RowTimes(stamp=np.zeros(1, np.int64), frame=np.zeros(1, np.int64))
    with pytest.raises(ValueError, match='names'), RerunFile(path, 'x') as file:
        file.numbers('a', moments, np.zeros((1, 1)), _Unreadable())
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['e.rrd']


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path, dataset):
    (tmp_path / 'file').write_text('')
    with pytest.raises(IlRosError, match=r'e\.rrd: cannot be written: '):
        view_dataset(dataset, 0, tmp_path / 'file' / 'e.rrd')


def test_without_rerun_the_extra_is_named(tmp_path, dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(IlRosError, match=r'not installed; to fix: pip install il_ros\[view\]'):
        view_dataset(dataset, 0, tmp_path / 'e.rrd')


def test_any_name_is_a_part_of_a_path(tmp_path):
    name = entity('joint', 'left arm/wrist: 1', 'position')
    moments = RowTimes(stamp=np.arange(2), frame=np.arange(2))
    with RerunFile(tmp_path / 'e.rrd', 'x') as file:
        file.numbers(name, moments, np.ones((2, 1)), ['a'])
    moving, _ = read(tmp_path / 'e.rrd')
    assert list(moving) == [name]
    assert name.count('/') == 2 + 1  # the one in the name is escaped
    assert r'left\ arm\/wrist' in name


def test_the_frame_is_the_newest_tick():
    ticks = np.array([10, 20, 30])
    found = moments_at(np.array([5, 10, 19, 20, 99]), ticks)
    assert found.frame.tolist() == [0, 0, 0, 1, 2]
    assert moments_at(np.array([5]), np.array([], np.int64)).frame.tolist() == [0]


# From bags ------------------------------------------------------------------------------------


def status(stamp, mode, score, *, fault=0, reason='', triggered=False):
    message = STORE.types[STATUS](
        header=header(stamp), mode=mode, warning=False, takeover=False, fault=fault, reason=reason,
        score=score, warning_threshold=0.8, exceeded=False, triggered=triggered, policy_id='',
        bundle_identity='',
        tick_cost=STORE.types['builtin_interfaces/msg/Duration'](sec=0, nanosec=0),
    )  # fmt: skip
    return STORE.serialize_cdr(message, STATUS)


def scores(stamp, score, names=('knn', 'tce'), values=None, thresholds=(2.0, 4.0)):
    message = STORE.types[SCORES](
        header=header(stamp), names=list(names),
        values=np.array((score, 1.0) if values is None else values),
        thresholds=np.array(thresholds), score=score, driving=True,
    )  # fmt: skip
    return STORE.serialize_cdr(message, SCORES)


def show(path, tmp_path, contract=None):
    with EpisodeReader(path, contract) as reader:
        told = view_bag(reader, tmp_path / 'b.rrd')
    moving, fixed = read(tmp_path / 'b.rrd')
    assert set(moving) | set(fixed) == set(told)
    return moving, fixed


def test_a_bag_is_shown_message_by_message(tmp_path, record):
    moving, fixed = show(record(frames=10), tmp_path)
    stamps = [10**9 + i * 50 * MS for i in range(10)]
    for name in ('joint/a/position', 'joint/a/executed', 'observation/wrench'):
        assert moving[name]['time'] == stamps
        assert moving[name]['frame'] == list(range(10))
    steps = np.arange(10)
    np.testing.assert_array_equal(scalars(moving['joint/a/position'])[:, 0], 0.01 * steps)
    np.testing.assert_array_equal(scalars(moving['joint/b/executed'])[:, 0], -0.01 * (steps + 1))
    np.testing.assert_array_equal(scalars(moving['observation/wrench'])[:, 0], steps)
    assert 'world/workspace' in fixed
    assert not any(name.startswith(('monitor', 'camera', 'joint/a/policy')) for name in moving)


def test_chunks_of_all_sources_status_and_events(tmp_path, open_writer, messages):
    writer = open_writer(namespace='/left')
    for name, kind in (
        ('policy/action_chunk', 'ActionChunk'),
        ('expert/action_chunk', 'ActionChunk'),
        ('expert/label', 'ActionChunk'),
        ('monitor/status', 'MonitorStatus'),
        ('monitor/scores', 'MonitorScores'),
        ('events', 'EpisodeEvent'),
    ):
        definition = (MSG / f'{kind}.msg').read_text()
        writer.add_topic(f'/left/{name}', f'il_ros/msg/{kind}', definition)
    for i in range(6):
        stamp = 10**9 + i * 50 * MS
        writer.write('/left/joint_states', messages.joints(stamp, [0.0, 0.1 * i]), stamp)
        writer.write('/left/policy/action_chunk', messages.chunk(stamp, [i, 2 * i]), stamp)
        writer.write('/left/expert/action_chunk', messages.chunk(stamp, [-i, 0]), stamp)
        writer.write('/left/expert/label', messages.chunk(stamp, [7, 0]), stamp)
        mode, fault = (2, 0) if i < 4 else (4, 3)
        told = status(stamp, mode, float(i), fault=fault, reason='why' if fault else '')
        writer.write('/left/monitor/status', told, stamp)
        writer.write('/left/monitor/scores', scores(stamp, float(i)), stamp)
    writer.write('/left/events', messages.event(10**9 + 60 * MS, 3, 'novel <b>'), 2 * 10**9)
    moving, fixed = show(writer.close('success'), tmp_path)
    assert scalars(moving['joint/b/policy'])[:, 0].tolist() == [0, 2, 4, 6, 8, 10]
    assert scalars(moving['joint/a/expert'])[:, 0].tolist() == [0, -1, -2, -3, -4, -5]
    assert scalars(moving['joint/a/label'])[:, 0].tolist() == [7] * 6
    strange = scalars(moving['monitor/scores'])
    assert strange[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert strange[:, 1].tolist() == [0, 0.5, 1, 1.5, 2, 2.5]  # of its threshold, 2
    assert (strange[:, 2] == 0.25).all()
    assert fixed['monitor/scores']['SeriesLines:names'] == [['score', 'knn', 'tce']]
    assert moving['control/mode']['StateChange:state'] == [['policy'], ['alarm']]
    assert moving['control/mode']['frame'] == [0, 4]
    said = moving['monitor/status']
    assert said['TextLog:text'] == [['policy'], ['alarm: deadline: why']]
    assert said['TextLog:level'] == [['INFO'], ['WARN']]
    assert moving['events']['TextLog:text'] == [['fallback: novel <b>']]
    assert moving['events']['TextLog:level'] == [['WARN']]
    assert moving['events']['time'] == [10**9 + 60 * MS]
    assert moving['events']['frame'] == [1]


def test_images_of_a_bag_are_the_bytes_that_were_recorded(
    tmp_path, open_writer, messages, camera_contract
):
    rng = np.random.default_rng(0)
    text = camera_contract.text.replace(
        'wrist: {topic: wrist,', 'wrist: {topic: wrist, type: sensor_msgs/msg/CompressedImage,'
    )
    writer = EpisodeWriter(tmp_path / 'bags', 'one', parse_contract(text))
    writer.add_topic('/joint_states', 'sensor_msgs/msg/JointState')
    writer.add_topic('/wrist', 'sensor_msgs/msg/CompressedImage')
    writer.add_topic('/depth', 'sensor_msgs/msg/Image')
    sent, depths = [], []
    for i in range(70):
        stamp = 10**9 + i * 50 * MS
        blob = cv2.imencode('.jpg', rng.integers(0, 255, (24, 32, 3), np.uint8))[1].tobytes()
        depth = rng.integers(0, 5000, (12, 16)).astype(np.uint16)
        sent.append(blob)
        depths.append(depth)
        writer.write('/joint_states', messages.joints(stamp, [0.0, 0.0]), stamp)
        writer.write('/wrist', compressed(blob, stamp=stamp), stamp)
        writer.write('/depth', image(depth, '16UC1', stamp=stamp), stamp)
    moving, _ = show(writer.close('success'), tmp_path)
    assert blobs(moving['camera/wrist']) == sent
    assert moving['camera/wrist']['frame'] == list(range(70))
    for found, depth in zip(
        blobs(moving['camera/depth'], 'EncodedDepthImage'), depths, strict=True
    ):
        decoded = cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(decoded, depth)


def test_messages_that_cannot_be_read_are_counted_in_the_log(tmp_path, open_writer, messages):
    writer = open_writer()
    for i in range(4):
        stamp = 10**9 + i * 50 * MS
        writer.write('/joint_states', messages.joints(stamp, [0.0, 0.0]), stamp)
        writer.write('/wrench', messages.wrench(stamp, 1.0)[: None if i < 2 else 20], stamp)
        command = messages.chunk(stamp, [1.0, 2.0], names=('x', 'y'))
        writer.write('/monitor/executed', command, stamp)
    moving, _ = show(writer.close('success'), tmp_path)
    assert len(moving['observation/wrench']['time']) == 2
    said = sorted(row[0] for row in moving['events/unreadable']['TextLog:text'])
    assert said[0].startswith('monitor/executed: 4 messages could not be read, the last because')
    assert "got joints ['x', 'y']" in said[0]
    assert said[1].startswith('wrench: 2 messages could not be read, the last because')


def test_a_bag_without_the_clock_is_refused(tmp_path, open_writer, messages):
    writer = open_writer(topics=('wrench',))
    writer.write('/wrench', messages.wrench(10**9, 1.0), 10**9)
    with (
        EpisodeReader(writer.close('success')) as reader,
        pytest.raises(DatasetError, match='no topic /joint_states in the bag'),
    ):
        view_bag(reader, tmp_path / 'b.rrd')
    assert not (tmp_path / 'b.rrd').exists()


def test_scores_that_do_not_fit_together_are_counted_in_the_log(tmp_path, open_writer, messages):
    writer = open_writer()
    writer.add_topic('/monitor/scores', SCORES, (MSG / 'MonitorScores.msg').read_text())
    wrong = [
        {'values': (1.0,)},
        {'thresholds': ()},
        {'names': ('knn',)},
        {'values': (1.0, 2.0, 3.0)},
    ]
    for i, parts in enumerate([{}, *wrong, {}]):
        stamp = 10**9 + i * 50 * MS
        writer.write('/joint_states', messages.joints(stamp, [0.0, 0.0]), stamp)
        writer.write('/monitor/scores', scores(stamp, 0.5, **parts), stamp)
    moving, _ = show(writer.close('success'), tmp_path)
    assert moving['monitor/scores']['frame'] == [0, 5]
    ((said,),) = moving['events/unreadable']['TextLog:text']
    assert said.startswith('monitor/scores: 4 messages could not be read, the last because 2, 3, 2')


def test_a_threshold_of_nothing_is_a_gap_and_not_an_error(tmp_path, open_writer, messages):
    writer = open_writer()
    writer.add_topic('/monitor/scores', SCORES, (MSG / 'MonitorScores.msg').read_text())
    writer.write('/joint_states', messages.joints(10**9, [0.0, 0.0]), 10**9)
    writer.write('/monitor/scores', scores(10**9, 0.0, thresholds=(0.0, 4.0)), 10**9)
    moving, _ = show(writer.close('success'), tmp_path)
    shown = scalars(moving['monitor/scores'])
    assert np.isnan(shown[0, 1])
    assert shown[0, 2] == 0.25


def test_unknown_numbers_of_newer_versions_are_shown_as_numbers(tmp_path, open_writer, messages):
    writer = open_writer()
    for name, kind in (('monitor/status', 'MonitorStatus'), ('events', 'EpisodeEvent')):
        writer.add_topic(f'/{name}', f'il_ros/msg/{kind}', (MSG / f'{kind}.msg').read_text())
    writer.write('/joint_states', messages.joints(10**9, [0.0, 0.0]), 10**9)
    writer.write('/monitor/status', status(10**9, 200, 0.0, fault=201), 10**9)
    writer.write('/events', messages.event(10**9, 202, 'x'), 10**9)
    moving, _ = show(writer.close('success'), tmp_path)
    assert moving['events']['TextLog:text'] == [['kind 202: x']]
    ((said,),) = moving['monitor/status']['TextLog:text']
    assert '200' in said
    assert '201' in said
