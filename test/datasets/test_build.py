import json
import os

import numpy as np
import pytest

from il_ros.cli import dataset as cli
from il_ros.core.contract import parse_contract
from il_ros.core.errors import ContractError, DatasetError
from il_ros.datasets.build import build_dataset
from il_ros.datasets.dataset import load_dataset, save_dataset


@pytest.fixture
def episodes(record, tmp_path):
    record('a', frames=5, seed=1)
    record('b', frames=7, seed=2)
    record('c', frames=6, seed=3, outcome='failure')
    return tmp_path / 'episodes'


def test_a_dataset_of_the_successful_episodes(episodes, contract, tmp_path):
    reports = []
    dataset = build_dataset([episodes], on_episode=lambda *report: reports.append(report))
    assert [(e.id, e.start, e.length, e.seed) for e in dataset.episodes] == [
        ('a', 0, 5, 1), ('b', 5, 7, 2)
    ]  # fmt: skip
    assert len(dataset.episodes[0].sha256) == 64
    assert dataset.manifest.left_out[0].reason == 'c: outcome failure; allowed: success'
    assert reports == [(1, 3, ''), (2, 3, ''), (3, 3, 'c: outcome failure; allowed: success')]
    assert dataset.values['position'].dtype == np.float32
    assert dataset.values['position'][5:8].tolist() == pytest.approx(
        np.array([[0, 0], [0.01, -0.01], [0.02, -0.02]])
    )
    assert dataset.action.shape == (12, 2)
    assert dataset.age.shape == (12, 4)
    assert not dataset.valid['object'].any()


def test_what_is_saved_is_opened_as_it_was_memory_mapped(episodes, contract, tmp_path):
    dataset = build_dataset([episodes], outcomes=('success', 'failure'))
    save_dataset(dataset, tmp_path / 'out')
    opened = load_dataset(tmp_path / 'out', contract)
    assert opened.manifest == dataset.manifest
    assert isinstance(opened.values['position'], np.memmap)
    for key, array in dataset.values.items():
        np.testing.assert_equal(opened.values[key], array)
    np.testing.assert_equal(opened.stamp, dataset.stamp)
    assert sorted(os.listdir(tmp_path / 'out'))[:3] == ['action.npy', 'age.npy', 'manifest.json']


def test_the_same_episodes_give_the_same_hash_and_others_another(episodes):
    one, same = build_dataset([episodes]), build_dataset([episodes / 'a', episodes / 'b'])
    assert one.manifest.data_hash == same.manifest.data_hash
    assert build_dataset([episodes / 'a']).manifest.data_hash != one.manifest.data_hash


def test_frames_without_an_action_are_left_out_and_gaps_counted(open_writer, messages, tmp_path):
    writer = open_writer('gap')
    for i in range(9):
        stamp = 10**9 + i * 50_000_000
        writer.write('/wrench', messages.wrench(stamp, 0.0), stamp)
        writer.write('/joint_states', messages.joints(stamp, [0.0, 0.0]), stamp)
        if i not in (0, 4, 5):
            source = 'hold' if i == 8 else 'expert'
            chunk = messages.chunk(stamp, [0.0, 0.0], source=source)
            writer.write('/monitor/executed', chunk, stamp + 1)
    entry = build_dataset([writer.close('success')]).episodes[0]
    assert (entry.length, entry.left_out, entry.gaps) == (5, 4, 1)


def test_damaged_bags_are_left_out_and_named(episodes):
    (episodes / 'b' / 'metadata.yaml').unlink()
    dataset = build_dataset([episodes])
    assert [e.id for e in dataset.episodes] == ['a']
    assert 'no metadata.yaml in it' in dataset.manifest.left_out[0].reason


def test_where_nothing_is_left_every_reason_is_given(record, tmp_path):
    record('x', skip=['executed'])
    record('y', skip=['wrench'])
    with pytest.raises(DatasetError) as caught:
        build_dataset([tmp_path / 'episodes'])
    text = str(caught.value)
    assert text.startswith('none of 2 episodes can be used:\n')
    assert 'no command of a source in control on monitor/executed belongs to one' in text
    assert 'no usable frame: wrench (wrench): never received' in text


def test_a_joint_that_never_came_is_named(open_writer, messages):
    writer = open_writer()
    writer.write('/joint_states', messages.joints(10**9, [0.0], names=['a']), 10**9)
    with pytest.raises(DatasetError, match=r'no frame: position .* and no joint b in the message'):
        build_dataset([writer.close('success')])


def test_episodes_of_two_contracts_are_never_mixed(episodes, contract):
    other = parse_contract(contract.text.replace('rate: 20.0\nclock', 'rate: 10.0\nclock'))
    with pytest.raises(ContractError, match='they differ in:'):
        build_dataset([episodes], contract=other)


@pytest.mark.parametrize(
    ('name', 'content', 'error'),
    [
        ('manifest.json', b'{"format": 1', r'manifest\.json: not JSON: .*; to fix: build it again'),
        ('manifest.json', b'{"format": 9}', r'manifest\.json: format 9; allowed: 1'),
        ('manifest.json', None, r'no manifest\.json in it; allowed: a dataset; to fix: make one'),
        ('action.npy', None, r'action\.npy: cannot be opened: .*; to fix: build the dataset again'),
        ('action.npy', b'', r'action\.npy: cannot be opened'),
        ('stamp.npy', 'half', r'stamp\.npy: cannot be opened'),
    ],
)
def test_a_damaged_dataset_is_named(episodes, tmp_path, name, content, error):
    save_dataset(build_dataset([episodes]), tmp_path / 'out')
    path = tmp_path / 'out' / name
    whole = path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(whole[: len(whole) // 2] if content == 'half' else content)
    with pytest.raises(DatasetError, match=error):
        load_dataset(tmp_path / 'out')


def test_an_array_of_another_shape_and_pickles_are_refused(episodes, tmp_path):
    save_dataset(build_dataset([episodes]), tmp_path / 'out')
    np.save(tmp_path / 'out' / 'stamp.npy', np.zeros(3))
    with pytest.raises(DatasetError, match=r'float64 of shape \(3,\); allowed: int64 of shape'):
        load_dataset(tmp_path / 'out')
    np.save(tmp_path / 'out' / 'stamp.npy', np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r'stamp\.npy: '):
        load_dataset(tmp_path / 'out')


def test_whole_episodes_are_split_repeatably(episodes):
    dataset = build_dataset([episodes], outcomes=('success', 'failure'))
    train, held_out = dataset.split(0.3, seed=4)
    assert dataset.split(0.3, seed=4) == (train, held_out)
    assert sorted(train + held_out) == [0, 1, 2]
    assert len(held_out) == 1
    assert dataset.split(0.99, seed=0)[0]  # never all of them
    assert dataset.split(0.0, seed=0) == ([0, 1, 2], [])
    assert dataset.rows([0, 2]).tolist() == [*range(5), *range(12, 18)]


def test_the_verb_builds_prints_and_does_not_overwrite(episodes, tmp_path, capsys):
    out = tmp_path / 'out'
    assert cli.build([episodes], out) == 0
    printed = capsys.readouterr().out
    assert 'outcome failure' in printed
    assert '12, 0.6 s' in printed
    with pytest.raises(DatasetError, match='out: exists already; to fix: '):
        cli.build([episodes], out)
    cli.build([episodes / 'a'], out, overwrite=True)
    assert json.loads((out / 'manifest.json').read_text())['frames'] == 5


def test_the_verb_leaves_nothing_half_written(tmp_path, episodes):
    with pytest.raises(DatasetError):
        cli.build([episodes], tmp_path / 'out', outcomes=('discarded',))
    assert sorted(os.listdir(tmp_path)) == ['episodes']
