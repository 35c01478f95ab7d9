import dataclasses
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from il_ros.bags import EpisodeWriter
from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.config import parse
from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, DatasetError, IlRosError
from il_ros.datasets import bag_shard
from il_ros.datasets.bag_shard import ShardJob, read_shard_episode
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_build import build_dataset, prepare_bags, work_folder
from il_ros.datasets.preprocessing.preprocess import Preprocessing
from il_ros.datasets.preprocessing.quality_rules import Outliers, Quality

CHUNK_TEXT = (Path(__file__).parents[2] / 'msg' / 'ActionChunk.msg').read_text()


@pytest.fixture
def episodes(record, tmp_path):
    record('a', frames=5, seed=1)
    record('b', frames=7, seed=2)
    record('c', frames=6, seed=3, outcome='failure')
    return tmp_path / 'episodes'


@pytest.fixture
def build(tmp_path):
    """Build in this process; gives the dataset."""

    def make(bags, name='out', **options):
        return build_dataset(bags, tmp_path / name, **{'jobs': 1, **options})

    return make


def test_a_dataset_of_the_successful_episodes(episodes, build):
    reports = []
    dataset = build([episodes], on_episode=lambda *report: reports.append(report))
    assert [(e.id, e.start, e.length, e.seed) for e in dataset.episodes] == [
        ('a', 0, 5, 1), ('b', 5, 7, 2)
    ]  # fmt: skip
    entry = dataset.episodes[1]
    assert len(entry.sha256) == 64
    assert entry.sources == {'expert': 1.0}
    assert (entry.begin, entry.end) == (10**9, 10**9 + 6 * 50_000_000)
    assert entry.duration == pytest.approx(0.3)
    assert dataset.manifest.left_out[0].reason == 'c: outcome failure; allowed: success'
    assert reports == [(1, 3, 'c: outcome failure; allowed: success'), (2, 3, ''), (3, 3, '')]
    assert dataset.values['position'].dtype == np.float32
    assert dataset.values['position'][5:8].tolist() == pytest.approx(
        np.array([[0, 0], [0.01, -0.01], [0.02, -0.02]])
    )
    assert dataset.action.shape == dataset.action_raw.shape == (12, 2)
    assert dataset.age.shape == (12, 4)
    assert not dataset.valid['object'].any()
    assert np.isnan(dataset.values['object']).all()


def test_the_manifest_says_what_was_done_and_by_whom(episodes, build):
    manifest = build([episodes]).manifest
    assert manifest.format == 3
    assert manifest.preprocessing == json.loads(json.dumps(dataclasses.asdict(Preprocessing())))
    assert manifest.steps['segmentation']['frames'] == 12
    assert set(manifest.versions) == {'il_ros', 'numpy', 'python'}
    # joint a goes 0, 0.01, ..., 0.04 in one episode and up to 0.06 in the other: 31 / 12 steps
    assert manifest.statistics['position'].mean == pytest.approx((0.31 / 12, -0.31 / 12))
    assert manifest.statistics['position'].max == pytest.approx((0.06, 0.0))
    assert manifest.statistics['object'].mean == (None,) * 7
    assert set(manifest.files) > {'action', 'position', 'position.valid', 'events.jsonl'}


def test_arrays_are_memory_mapped_and_nothing_else_is_left(episodes, build, tmp_path):
    dataset = build([episodes])
    assert isinstance(dataset.values['position'], np.memmap)
    assert sorted(os.listdir(tmp_path)) == ['episodes', 'out']
    names = sorted(os.listdir(tmp_path / 'out'))
    assert names[:5] == ['action.npy', 'action_raw.npy', 'age.npy', 'events.jsonl', 'manifest.json']


def test_the_same_episodes_give_the_same_hash_and_others_another(episodes, build):
    one = build([episodes], 'one')
    same = build([episodes / 'a', episodes / 'b'], 'same')
    assert one.manifest.data_hash == same.manifest.data_hash
    assert build([episodes / 'a'], 'other').manifest.data_hash != one.manifest.data_hash


def test_frames_without_an_action_are_left_out_and_gaps_cut(open_writer, messages, build):
    writer = open_writer('gap')
    for i in range(9):
        stamp = 10**9 + i * 50_000_000
        writer.write('/wrench', messages.wrench(stamp, 0.0), stamp)
        writer.write('/joint_states', messages.joints(stamp, [0.0, 0.0]), stamp)
        if i not in (0, 4, 5):
            source = 'hold' if i == 8 else 'expert'
            chunk = messages.chunk(stamp, [0.0, 0.0], source=source)
            writer.write('/monitor/executed', chunk, stamp + 1)
    dataset = build([writer.close('success')])
    assert dataset.frames == 5
    assert sum(entry.gaps for entry in dataset.episodes) + len(dataset.episodes) == 2
    assert sum(entry.left_out for entry in dataset.episodes) == 4


def test_damaged_bags_are_left_out_and_named(episodes, build):
    (episodes / 'b' / 'metadata.yaml').unlink()
    dataset = build([episodes])
    assert [e.id for e in dataset.episodes] == ['a']
    assert 'no metadata.yaml in it' in dataset.manifest.left_out[0].reason


def test_a_giant_of_zeros_is_left_out_without_being_read(episodes, build):
    (path,) = (episodes / 'b').glob('*.mcap')
    os.truncate(path, 0)
    os.truncate(path, 1 << 40)  # sparse; to read it takes a quarter of an hour
    dataset = build([episodes])
    assert [e.id for e in dataset.episodes] == ['a']
    assert 'does not begin as such a file does' in dataset.manifest.left_out[0].reason


def test_notes_may_hold_any_text_and_a_damaged_contract_costs_its_bag_alone(episodes, build):
    odd = 'half a pair \ud800, a line separator \u2028, Ω'
    for name, change in (('a', {'notes': odd}), ('b', {'contract': 'version: [\ud800'})):
        path = episodes / name / 'episode.json'
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    dataset = build([episodes])
    assert [e.notes for e in dataset.episodes] == [odd]
    assert 'b: its contract cannot be read: ' in dataset.manifest.left_out[0].reason


def test_where_nothing_is_left_every_reason_is_given(record, tmp_path, build):
    record('x', skip=['executed'])
    record('y', skip=['wrench'])
    with pytest.raises(DatasetError) as caught:
        build([tmp_path / 'episodes'])
    text = str(caught.value)
    assert text.startswith('none of 2 episodes can be used:\n')
    assert 'no command of a source in control on monitor/executed belongs to one' in text
    assert 'no usable frame: wrench (wrench): never received' in text
    assert sorted(os.listdir(tmp_path)) == ['episodes']


def test_a_joint_that_never_came_is_named(open_writer, messages, build):
    writer = open_writer()
    writer.write('/joint_states', messages.joints(10**9, [0.0], names=['a']), 10**9)
    with pytest.raises(DatasetError, match=r'no frame: position .* and no joint b in the message'):
        build([writer.close('success')])


def test_episodes_of_two_contracts_are_never_mixed(episodes, contract, build, tmp_path):
    other = parse_contract(contract.text.replace('rate: 20.0\nclock', 'rate: 10.0\nclock'))
    with pytest.raises(ContractError, match='they differ in:'):
        build([episodes], contract=other)
    assert sorted(os.listdir(tmp_path)) == ['episodes']


def test_a_recording_that_is_there_twice_counts_once(episodes, build):
    shutil.copytree(episodes / 'a', episodes / 'z')
    dataset = build([episodes])
    assert [e.id for e in dataset.episodes] == ['a', 'b']
    assert [e.reason.partition(' as ')[0] for e in dataset.manifest.left_out] == [
        'c: outcome failure; allowed: success', 'z: the same recording'
    ]  # fmt: skip


def test_a_bag_that_breaks_the_reader_does_not_end_the_build(episodes, build, monkeypatch):
    convert = bag_shard.convert

    def broken(reader, **options):
        if reader.path.name == 'a':
            raise ZeroDivisionError('nobody foresaw this')
        return convert(reader, **options)

    monkeypatch.setattr(bag_shard, 'convert', broken)
    dataset = build([episodes])
    assert [e.id for e in dataset.episodes] == ['b']
    assert dataset.manifest.left_out[0].reason == 'a: ZeroDivisionError nobody foresaw this'


@pytest.fixture
def camera_bag(tmp_path, messages, camera_contract):
    """A bag with a colour camera; its third image is damaged, so its frame cannot be used."""
    store = get_typestore(Stores.ROS2_JAZZY)
    kind = 'sensor_msgs/msg/Image'
    writer = EpisodeWriter(tmp_path / 'episodes', 'seen', camera_contract)
    writer.add_topic('/joint_states', 'sensor_msgs/msg/JointState')
    writer.add_topic('/wrench', 'geometry_msgs/msg/WrenchStamped')
    writer.add_topic('/monitor/executed', 'il_ros/msg/ActionChunk', CHUNK_TEXT)
    writer.add_topic('/wrist', kind)
    for i in range(6):
        stamp = 10**9 + i * 50_000_000
        pixels = np.full((24, 32, 3), (40 * i, 20, 200), np.uint8)
        image = store.types[kind](
            header=messages.header(stamp), height=24, width=32, encoding='rgb8', is_bigendian=0,
            step=96 if i != 2 else 90, data=pixels.reshape(-1),
        )  # fmt: skip
        writer.write('/wrist', store.serialize_cdr(image, kind), stamp)
        writer.write('/wrench', messages.wrench(stamp, 0.0), stamp)
        writer.write('/joint_states', messages.joints(stamp, [0.0, 0.1 * i]), stamp + 1)
        writer.write('/monitor/executed', messages.chunk(stamp, [0.1 * i, 0.0]), stamp + 2)
    return writer.close('success')


@pytest.mark.parametrize('image_format', ['jpeg', 'png', 'raw'])
def test_cameras_are_held_as_asked_for(camera_bag, build, image_format):
    dataset = build([camera_bag], image_format=image_format)
    assert dataset.manifest.image_format == image_format
    assert dataset.frames == 5  # a damaged image of a required camera is not passed off as one
    assert not dataset.valid['depth'].any()
    store = dataset.images['wrist']
    shades = [0, 40, 120, 160, 200]
    for frame, shade in enumerate(shades):
        close = 3 if image_format == 'jpeg' else 0
        np.testing.assert_allclose(store[frame], np.full((24, 32, 3), (shade, 20, 200)), atol=close)
    assert store.suffix == ('.jpg' if image_format == 'jpeg' else '.png')


def test_processes_give_what_one_gives_bit_for_bit(episodes, build, tmp_path):
    one = build([episodes], 'one', outcomes=('success', 'failure'), jobs=1)
    two = build([episodes], 'two', outcomes=('success', 'failure'), jobs=2)
    assert two.manifest == one.manifest
    names = sorted(os.listdir(tmp_path / 'one'))
    assert names == sorted(os.listdir(tmp_path / 'two'))
    for name in names:
        assert (tmp_path / 'one' / name).read_bytes() == (tmp_path / 'two' / name).read_bytes()


def test_an_interrupted_build_takes_what_is_there(episodes, build, tmp_path, monkeypatch):
    whole = build([episodes], 'whole', jobs=1)

    def stop_at_second(done, total, reason):
        if done == 2:  # the failed one and one bag
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build([episodes], on_episode=stop_at_second)
    assert sorted(os.listdir(tmp_path)) == ['.out.work', 'episodes', 'whole']
    converted = []
    convert = bag_shard.convert
    monkeypatch.setattr(
        bag_shard,
        'convert',
        lambda reader, **o: (converted.append(reader.path.name), convert(reader, **o))[1],
    )
    assert build([episodes]).manifest.data_hash == whole.manifest.data_hash
    assert converted == ['b']
    assert sorted(os.listdir(tmp_path)) == ['episodes', 'out', 'whole']


def test_an_interrupted_overwrite_keeps_the_old_one_and_what_is_done(episodes, build, tmp_path):
    old = build([episodes / 'a'])

    def stop(done, total, reason):
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build([episodes], overwrite=True, on_episode=stop)
    assert load_dataset(tmp_path / 'out', verify=True).manifest == old.manifest
    assert len(list((tmp_path / '.out.work').glob('*.npz'))) == 2
    with work_folder(tmp_path / 'out', resume=False) as work:
        assert not list(work.glob('*.npz'))


@pytest.mark.parametrize('change', ['bag', 'settings', 'outcome'])
def test_a_shard_of_something_else_is_not_taken(episodes, record, tmp_path, change):
    with work_folder(tmp_path / 'out') as work:
        (work / 'kept.npz').touch()  # so that the folder stays
        _prepare(episodes, work)
        before = {path.name for path in work.glob('*.npz')}
        settings = Preprocessing()
        if change == 'bag':
            shutil.rmtree(episodes / 'a')
            record('a', frames=4)
        if change == 'settings':
            settings = Preprocessing(grippers=('thumb',))
        if change == 'outcome':
            info = episodes / 'a' / 'episode.json'
            info.write_text(info.read_text().replace('"task": ""', '"task": "peg"'))
        _prepare(episodes, work, settings)
        fresh = {path.name for path in work.glob('*.npz')} - before
        assert len(fresh) == (2 if change == 'settings' else 1)


def _prepare(episodes, work, settings=None):
    job = ShardJob(work=work, preprocessing=settings or Preprocessing())
    return prepare_bags([episodes], job, contract=None, outcomes=('success',), jobs=1)


def test_a_shard_that_was_cut_or_changed_is_made_again(episodes, tmp_path):
    with work_folder(tmp_path / 'out') as work:
        contract, shards = _prepare(episodes, work)
        first, second = (shard.path for shard in shards if shard.path)
        whole = first.read_bytes(), second.read_bytes()
        first.write_bytes(whole[0][: len(whole[0]) // 2])
        middle = len(whole[1]) // 2
        changed = bytes([whole[1][middle] ^ 1])
        second.write_bytes(whole[1][:middle] + changed + whole[1][middle + 1 :])
        assert _prepare(episodes, work) == (contract, shards)
        assert first.stat().st_size == len(whole[0])
        for shard in shards:
            for index in range(len(shard.entries)):
                episode = read_shard_episode(shard, index, contract)
                assert episode.frames == shard.entries[index].length


def test_what_a_build_that_was_killed_at_its_end_left_goes(episodes, build, tmp_path):
    (tmp_path / '.out.0123abcd.tmp').mkdir()
    (tmp_path / '.out.0123abcd.tmp' / 'stamp.npy').touch()
    build([episodes])
    assert sorted(os.listdir(tmp_path)) == ['episodes', 'out']


def test_two_builds_of_one_dataset_do_not_mix(episodes, build, tmp_path):
    error = pytest.raises(IlRosError, match='out: another process is writing here; to fix: wait')
    with work_folder(tmp_path / 'out'), error:
        build([episodes])


@pytest.mark.parametrize(
    'kind', [*itertools.product(['SQLITE3', 'MCAP'], [None, 'FILE', 'MESSAGE'])]
)
def test_bags_of_ros2_bag_record_are_read_by_a_given_contract(
    episodes, build, contract, tmp_path, kind
):
    storage, compression = kind
    ours = build([episodes / 'b'], 'ours')
    foreign = tmp_path / 'foreign' / 'rosbag2'
    foreign.parent.mkdir()
    _copy_as(episodes / 'b', foreign, StoragePlugin[storage], compression)
    dataset = build([foreign], contract=contract)
    assert dataset.episodes[0].outcome == 'unknown'
    for name, array in ours.arrays():
        np.testing.assert_array_equal(dict(dataset.arrays())[name], array)
    with pytest.raises(DatasetError, match='does not say its contract; to fix: give the contract'):
        build([foreign], 'other')


def _copy_as(bag, path, storage, compression):
    """Write a bag as `ros2 bag record` would: no episode.json, another storage."""
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(CHUNK_TEXT, 'il_ros/msg/ActionChunk'))
    writer = Writer(path, version=8, storage_plugin=storage)
    if compression:
        writer.set_compression(CompressionMode[compression], CompressionFormat.ZSTD)
    with AnyReader([bag], default_typestore=store) as reader, writer:
        topics = {
            c.id: writer.add_connection(c.topic, c.msgtype, typestore=store)
            for c in reader.connections
        }
        for connection, receive, data in reader.messages():
            writer.write(topics[connection.id], receive, data)


CHILD = textwrap.dedent("""
    import signal
    import sys
    from pathlib import Path
    from il_ros.datasets.dataset_build import build_dataset

    def report(done, total, reason):
        print(done, flush=True)
        if done == int(until):
            sys.stdin.read()  # until the test has had its say

    if __name__ == '__main__':
        # What is started in the background may have been told to ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        bags, out, jobs, until = sys.argv[1:]
        build_dataset([Path(bags)], Path(out), jobs=int(jobs), on_episode=report)
""")


@pytest.fixture
def child(tmp_path):
    """Start a build in a process of its own, and group."""
    script = tmp_path / 'child.py'
    script.write_text(CHILD)

    def start(bags, out, jobs, until):
        return subprocess.Popen(
            [sys.executable, str(script), str(bags), str(out), str(jobs), str(until)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    return start


@pytest.mark.parametrize('how', [('SIGKILL', 1), ('SIGKILL', 2), ('SIGINT', 2)])
def test_a_killed_build_is_resumed_to_the_same_data(record, build, child, tmp_path, how):
    kind, jobs = how
    for i in range(16):
        record(f'e{i}', frames=40 + i, seed=i)
    episodes = tmp_path / 'episodes'
    whole = build([episodes], 'whole')
    until = random.Random(jobs).randint(1, 6)
    process = child(episodes, tmp_path / 'out', jobs, until)
    for _ in range(until):
        process.stdout.readline()
    process.send_signal(getattr(signal, kind))
    _, said = process.communicate(
        timeout=60
    )  # ends when its workers, who hold the pipes, have ended too
    assert not (tmp_path / 'out').exists()
    kept = len(list((tmp_path / '.out.work').glob('*.npz')))
    assert kept >= 1, said
    resumed = build([episodes])
    assert resumed.manifest.data_hash == whole.manifest.data_hash
    assert resumed.manifest == whole.manifest
    load_dataset(tmp_path / 'out', verify=True)
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith('.')]


def test_a_worker_that_dies_costs_its_bag_alone(tmp_path):
    script = tmp_path / 'pool.py'
    script.write_text(
        textwrap.dedent("""
        import os
        from il_ros.datasets.process_pool import run_all

        def work(task):
            if task == 3:
                os._exit(9)
            return task * 2

        if __name__ == '__main__':
            print(sorted(run_all(work, [1, 2, 3, 4], 2, lost=lambda task: -task)))
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == '[(0, 2), (1, 4), (2, -3), (3, 8)]\n', done.stderr


MEMORY = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    from il_ros.datasets.dataset_build import build_dataset

    build_dataset([Path(sys.argv[1])], Path(sys.argv[2]), jobs=1)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
""")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_bags(record, tmp_path):
    frames = 3000  # 3,000 frames of all arrays are about 0.3 MB a bag, the messages ten times that
    for i in range(24):
        record(f'e{i}', frames=frames, root=tmp_path / ('few' if i < 2 else 'many'))
    used = {}
    for name in ('few', 'many'):
        done = subprocess.run(
            [sys.executable, '-c', MEMORY, str(tmp_path / name), str(tmp_path / f'{name}.out')],
            capture_output=True, text=True, timeout=110, check=True,
        )  # fmt: skip
        used[name] = int(done.stdout)
    assert used['many'] - used['few'] < 50_000  # kB; the frames of all bags would be 200 MB


def test_an_amended_contract_reads_old_bags_only_on_request(record, contract, tmp_path):
    path = record(frames=8)
    amended = parse_contract(contract.text.replace('rate: 20.0\nclock', 'rate: 10.0\nclock'))
    with pytest.raises(ContractError, match='they differ in:'):
        build_dataset([path], tmp_path / 'refused', contract=amended, jobs=1)
    dataset = build_dataset(
        [path], tmp_path / 'set', contract=amended, reading=BagReadOptions(reinterpret=True), jobs=1
    )
    assert dataset.frames == 4  # every second tick
    assert dataset.contract.rate == 10


def test_a_bag_of_somebody_else_in_a_namespace(record, contract, tmp_path):
    path = record(frames=4, namespace='/left')
    (path / 'episode.json').unlink()
    dataset = build_dataset(
        [path],
        tmp_path / 'set',
        contract=contract,
        reading=BagReadOptions(namespace='/left'),
        jobs=1,
    )
    assert dataset.frames == 4


def test_the_installed_command_builds_in_several_processes_and_runs_once(episodes, tmp_path):
    """A spawned process reads the command's file again: it must not run the command again."""
    command = Path(sys.executable).with_name('il_ros')
    done = subprocess.run(
        [command, 'dataset', 'build', episodes, '--out', tmp_path / 'set', '--jobs', '2'],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.count('data hash') == 1
    assert [entry.id for entry in load_dataset(tmp_path / 'set').episodes] == ['a', 'b']


def test_the_recordings_are_never_overwritten(episodes, build, tmp_path):
    before = sorted(tmp_path.rglob('*'))
    for name in ('episodes', 'episodes/a', '.', 'episodes/new'):
        with pytest.raises(DatasetError, match=r'what it is made from, .*episodes; to fix'):
            build([episodes], name, overwrite=True)
    assert sorted(tmp_path.rglob('*')) == before
    (tmp_path / 'precious').mkdir()
    (tmp_path / 'precious/thesis.tex').write_text('years')
    with pytest.raises(DatasetError, match=r'precious: not overwritten: no manifest\.json in it'):
        build([episodes], 'precious', overwrite=True)
    assert os.listdir(tmp_path / 'precious') == ['thesis.tex']


def test_a_link_that_leads_nowhere_is_followed(episodes, build, tmp_path):
    (tmp_path / 'out').symlink_to('disk/set')
    build([episodes])
    assert (tmp_path / 'out').is_symlink()
    assert [e.id for e in load_dataset(tmp_path / 'disk/set').episodes] == ['a', 'b']


def test_bags_with_one_name_become_episodes_with_different_ids(record, contract, build, tmp_path):
    for day in (1, 2):
        path = record('take1', frames=3 + day, root=tmp_path / f'day{day}')
        (path / 'episode.json').unlink()
    bags = [tmp_path / 'day1', tmp_path / 'day2']
    dataset = build(bags, contract=contract)
    assert [(e.id, e.length) for e in dataset.episodes] == [('take1', 4), ('take1-2', 5)]


def test_where_all_are_outliers_that_is_said(record, build, tmp_path):
    for frames in (4, 20):
        record(f'e{frames}', frames=frames, seed=frames)
    outliers = Outliers(fewest=1, deviations=0.01, leave_out=True)
    settings = Preprocessing(quality=Quality(outliers=outliers))
    with pytest.raises(DatasetError, match=r'all of 2 episodes are outliers, e.* by duration'):
        build([tmp_path / 'episodes'], preprocessing=settings)


@pytest.mark.parametrize(
    ('settings', 'error'),
    [
        ({'filter': {'joints': ['c']}}, "filter.joints: got 'c'; allowed: a, b"),
        ({'filter': {'cutoff': 10.0}}, 'filter.cutoff: got 10 Hz; allowed: less than 10 Hz'),
        ({'segmentation': {'begin': 'go'}}, "begin: no kind of event 'go'; allowed: start, stop"),
        ({'segmentation': {'end': 'go'}}, "segmentation.end: no kind of event 'go'"),
        ({'segmentation': {'events': ['stop', 'go']}}, "events: no kind of event 'go'"),
        ({'quality': {'bounds': {'loss.c': {'max': 1.0}}}}, "no stream 'c'"),
    ],
)
def test_a_setting_that_fits_no_bag_is_one_error_before_any_is_read(
    episodes, build, monkeypatch, settings, error
):
    monkeypatch.setattr(bag_shard, 'convert', None)
    with pytest.raises(DatasetError, match=f'^[^\n]*{error}[^\n]*$'):
        build([episodes], preprocessing=parse(Preprocessing, settings, error=DatasetError))


def test_a_negative_number_of_processes_is_refused(episodes, build):
    with pytest.raises(DatasetError, match='jobs: got -5; allowed: 0'):
        build([episodes], jobs=-5)


def test_a_bag_whose_name_is_not_utf8_is_read(episodes, build, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b'/b\xff')
    os.rename(episodes / 'b', odd)
    dataset = build([episodes, Path(odd)])
    assert [e.id for e in dataset.episodes] == ['a', 'b']
    assert load_dataset(tmp_path / 'out').episodes[1].bag == odd


def test_the_current_folder_is_a_bag_with_a_name(record, contract, build, monkeypatch):
    path = record('take', frames=4)
    (path / 'episode.json').unlink()
    monkeypatch.chdir(path)
    dataset = build([Path()], contract=contract)
    assert [(e.id, e.bag) for e in dataset.episodes] == [('take', str(path.resolve()))]


@pytest.mark.parametrize('key', ['events', 'meta', 'images', 'lengths'])
def test_a_stream_may_be_called_as_what_a_shard_holds_besides(key, record, contract, build):
    bag = record('a', frames=4)
    named = parse_contract(contract.text.replace('wrench:', f'{key}:', 1))
    dataset = build([bag], contract=named, reading=BagReadOptions(reinterpret=True))
    assert dataset.values[key][:, 0].tolist() == [0, 1, 2, 3]
    assert dataset.events == ((),)
