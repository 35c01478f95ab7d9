from dataclasses import replace

import numpy as np
import pytest

from il_ros.bags import EpisodeReader
from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS
from il_ros.datasets.bag_conversion import convert
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_build import build_dataset
from il_ros.datasets.dataset_operations import filter_dataset, merge, split
from il_ros.datasets.dataset_writer import DatasetWriter, save_dataset

MS = 1_000_000
TOPICS = ('joint_states', 'wrench', 'monitor/executed', 'expert/action_chunk')


@pytest.fixture
def asked(open_writer, messages):
    """An episode whose expert was asked at every other frame: chunks of two steps."""

    def record(name='asked', frames=6, answer=2, **options):
        writer = open_writer(name, topics=TOPICS, **options)
        for i in range(frames):
            stamp = NS + i * 50 * MS
            writer.write('/joint_states', messages.joints(stamp, [0.01 * i, -0.01 * i]), stamp)
            writer.write('/wrench', messages.wrench(stamp, float(i)), stamp)
            done = messages.chunk(stamp, [0.5, 0.5], source='policy')
            writer.write('/monitor/executed', done, stamp)
            if i % 2 == 0:
                wanted = messages.chunk(stamp, [i + 0.1 * k for k in range(2 * answer)])
                writer.write('/expert/action_chunk', wanted, stamp + MS)
        return writer.close('success', 'done')

    return record


def labels(path, steps):
    with EpisodeReader(path) as reader:
        return convert(reader, labels=steps).arrays.label


def test_an_answer_belongs_to_the_frame_with_its_stamp(asked):
    found = labels(asked(), 2)
    assert found.shape == (6, 2, 2)
    np.testing.assert_allclose(found[2], [[2.0, 2.1], [2.2, 2.3]], rtol=1e-6)
    assert np.isnan(found[1::2]).all()


def test_the_experts_own_answer_goes_before_what_he_was_to_do(open_writer, messages):
    writer = open_writer('noisy', topics=(*TOPICS, 'expert/label'))
    for i in range(3):
        stamp = NS + i * 50 * MS
        writer.write('/joint_states', messages.joints(stamp, [0.01 * i, -0.01 * i]), stamp)
        writer.write('/wrench', messages.wrench(stamp, float(i)), stamp)
        done = messages.chunk(stamp, [0.5, 0.5], source='expert')
        writer.write('/monitor/executed', done, stamp)
        if i == 1:
            writer.write('/expert/label', messages.chunk(stamp, [0.2, 0.3]), stamp)
        writer.write('/expert/action_chunk', messages.chunk(stamp, [0.4, 0.4, 0.4, 0.4]), stamp)
    found = labels(writer.close('success', 'done'), 2)
    np.testing.assert_allclose(found[0], 0.4, rtol=1e-6)
    np.testing.assert_allclose(found[1, 0], [0.2, 0.3], rtol=1e-6)
    assert np.isnan(found[1, 1]).all()


def test_longer_answers_are_cut_and_shorter_ones_leave_the_rest_open(asked):
    assert labels(asked(), 1).shape == (6, 1, 2)
    long = labels(asked('second'), 3)
    assert np.isfinite(long[0, :2]).all()
    assert np.isnan(long[0, 2]).all()


def test_without_the_wish_there_are_no_labels(asked):
    assert labels(asked(), 0) is None


def test_an_answer_of_other_joints_is_refused(asked, messages, open_writer, monkeypatch):
    whole = messages.chunk
    monkeypatch.setattr(
        type(messages),
        'chunk',
        lambda self, stamp, positions, source='expert': whole(
            stamp, positions, names=('a', 'c') if source == 'expert' else ('a', 'b'), source=source
        ),
    )
    with pytest.raises(DatasetError, match='expert/action_chunk: 4 positions of joints'):
        labels(asked(), 2)


def test_they_go_into_a_dataset_and_through_what_is_done_with_it(asked, tmp_path):
    bags = [asked('one'), asked('two', frames=8)]
    built = build_dataset(bags, tmp_path / 'all', reading=BagReadOptions(labels=2), jobs=1)
    assert built.manifest.labels == 2
    assert built.label.shape == (14, 2, 2)
    assert np.isfinite(built.label).all(axis=(1, 2)).sum() == 7
    load_dataset(tmp_path / 'all', verify=True)
    parts = split(tmp_path / 'all', tmp_path / 'parts', {'a': ['one'], 'b': ['two']})
    assert [part.manifest.labels for part in parts.values()] == [2, 2]
    merged = merge([tmp_path / 'parts/a', tmp_path / 'parts/b'], tmp_path / 'merged')
    np.testing.assert_array_equal(merged.label, built.label)
    two = filter_dataset(tmp_path / 'all', tmp_path / 'two', 'frames > 6')
    np.testing.assert_array_equal(two.label, built.label[6:])
    copy = save_dataset(two, tmp_path / 'copy')
    np.testing.assert_array_equal(copy.label, two.label)


def test_merging_with_demonstrations_leaves_those_without_labels(asked, record, tmp_path):
    build_dataset([asked()], tmp_path / 'asked', reading=BagReadOptions(labels=2), jobs=1)
    build_dataset([record('shown')], tmp_path / 'shown', jobs=1)
    for order in (('asked', 'shown'), ('shown', 'asked')):
        out = tmp_path / '_'.join(order)
        merged = merge([tmp_path / name for name in order], out)
        rows = {e.id: merged.label[e.start : e.stop] for e in merged.episodes}
        assert np.isfinite(rows['asked'][::2]).all()
        assert np.isnan(rows['shown']).all()


def test_labels_of_two_lengths_do_not_mix(asked, tmp_path):
    build_dataset([asked('one')], tmp_path / 'one', reading=BagReadOptions(labels=2), jobs=1)
    build_dataset([asked('two')], tmp_path / 'two', reading=BagReadOptions(labels=1), jobs=1)
    with pytest.raises(DatasetError, match=r'labels of shape \(6, 1, 2\); allowed: \(6, 2, 2\)'):
        merge([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_labels_of_another_shape_are_refused(asked, tmp_path):
    with EpisodeReader(asked()) as reader:
        arrays = convert(reader, labels=2).arrays
        wrong = replace(arrays, label=arrays.label[:3])
        with (
            pytest.raises(DatasetError, match=r'labels of shape \(3, 2, 2\)'),
            DatasetWriter(tmp_path / 'out', reader.contract, labels=2) as writer,
        ):
            writer.add(wrong)
