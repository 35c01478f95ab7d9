"""Append, merge, split and filter: nothing is lost, doubled or changed on the way."""

import dataclasses
import os
import shutil

import numpy as np
import pytest

from il_ros.bags.bag_reader import BagReadOptions
from il_ros.core.errors import ContractError, DatasetError
from il_ros.datasets.dataset import load_dataset
from il_ros.datasets.dataset_build import build_dataset
from il_ros.datasets.dataset_operations import append_bags, filter_dataset, merge, split
from il_ros.datasets.dataset_writer import DatasetWriter


@pytest.fixture(params=['jpeg', 'raw'])
def make(request, tmp_path, camera_contract, camera_episode):
    """Write a dataset of episodes with these seeds."""

    def write(name, seeds, **options):
        with DatasetWriter(tmp_path / name, camera_contract, image_format=request.param) as writer:
            for seed in seeds:
                writer.add(camera_episode(seed, frames=4 + seed))
            return writer.finish(**options)

    return write


def assert_same_episodes(part, whole):
    """Each episode of `part` is, array by array, the one of that name in `whole`."""
    places = {entry.id: i for i, entry in enumerate(whole.episodes)}
    for i, entry in enumerate(part.episodes):
        one, other = part.episode_arrays(i), whole.episode_arrays(places[entry.id])
        assert dataclasses.replace(one.entry, start=0) == dataclasses.replace(other.entry, start=0)
        assert one.images == other.images
        assert one.events == other.events
        for name in ('stamp', 'action', 'action_raw', 'source'):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        for group in ('values', 'valid', 'age'):
            for key, array in getattr(one, group).items():
                np.testing.assert_array_equal(array, getattr(other, group)[key])


def ids(dataset):
    return [entry.id for entry in dataset.episodes]


def test_parts_merged_again_are_the_whole(make, tmp_path):
    whole = make('whole', range(1, 9))
    parts = split(tmp_path / 'whole', tmp_path / 'parts', {'train': 0.5, 'test': 0.25}, seed=3)
    assert [len(part.episodes) for part in parts.values()] == [4, 2]
    assert not set(ids(parts['train'])) & set(ids(parts['test']))
    for name, part in parts.items():
        assert_same_episodes(part, whole)
        load_dataset(tmp_path / 'parts' / name, verify=True)
        assert len(part.manifest.left_out) == 8 - len(part.episodes)
    rest = [i for i in ids(whole) if i not in (*ids(parts['train']), *ids(parts['test']))]
    filter_dataset(tmp_path / 'whole', tmp_path / 'rest', f'id in {rest}')
    merged = merge(
        [tmp_path / 'parts/train', tmp_path / 'rest', tmp_path / 'parts/test'], tmp_path / 'merged'
    )
    assert sorted(ids(merged)) == sorted(ids(whole))
    assert_same_episodes(merged, whole)
    ordered = split(tmp_path / 'merged', tmp_path / 'again', {'all': ids(whole)})['all']
    assert sorted(ids(ordered)) == sorted(ids(whole))


def test_splitting_is_repeatable_and_by_seed(make, tmp_path):
    make('whole', range(1, 9))

    def chosen(seed, name):
        found = split(tmp_path / 'whole', tmp_path / name, {'a': 0.5, 'b': 0.5}, seed=seed)
        return ids(found['a'])

    assert chosen(1, 'x') == chosen(1, 'y')
    assert chosen(2, 'z') != chosen(1, 'w')


def test_parts_of_one_bag_stay_together(camera_contract, camera_episode, tmp_path):
    with DatasetWriter(tmp_path / 'whole', camera_contract) as writer:
        for i in range(8):
            writer.add(camera_episode(i + 1, 4, sha256=f'bag {i // 2}'))
        writer.finish()
    for seed in range(5):
        parts = split(
            tmp_path / 'whole', tmp_path / 'parts', {'a': 0.5, 'b': 0.5}, seed=seed, overwrite=True
        )
        bags = [{entry.sha256 for entry in part.episodes} for part in parts.values()]
        assert not bags[0] & bags[1]


@pytest.mark.parametrize(
    ('parts', 'error'),
    [
        ({'a': 0.8, 'b': 0.3}, 'parts: got .*; allowed: fractions above 0, together at most 1'),
        ({'a': 0.0}, 'allowed: fractions above 0'),
        ({'a': float('nan')}, 'allowed: fractions above 0'),
        ({'a': 0.01, 'b': 0.9}, 'part a: no episode in it; to fix: ask for more'),
        ({'a': ['e1', 'e9']}, "part a: no episode 'e9'; allowed: e1, e2, e3"),
        ({'a': ['e1'], 'b': ['e1', 'e2']}, "part b: episode 'e1' is in part a too"),
        ({'../a': 0.5}, r"parts: got '\.\./a'; allowed: plain folder names"),
    ],
)
def test_a_split_that_cannot_be_is_refused(make, tmp_path, parts, error):
    make('whole', [1, 2, 3])
    with pytest.raises(DatasetError, match=error):
        split(tmp_path / 'whole', tmp_path / 'parts', parts)
    assert os.listdir(tmp_path) == ['whole']


def test_what_two_datasets_have_in_common_is_merged_once_and_said(make, tmp_path):
    make('one', [1, 2])
    make('two', [2, 3])
    merged = merge([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'out')
    assert ids(merged) == ['e1', 'e2', 'e3']
    assert [(e.id, e.reason) for e in merged.manifest.left_out] == [
        ('e2', f'is in {tmp_path / "one"} already')
    ]


def test_statistics_and_hashes_are_those_of_what_is_there(make, tmp_path):
    make('whole', [1, 2, 3])
    one = filter_dataset(tmp_path / 'whole', tmp_path / 'one', 'frames > 6')
    alone = make('alone', [3])
    assert one.manifest.statistics == alone.manifest.statistics
    assert one.manifest.data_hash == alone.manifest.data_hash


def test_a_filter_that_leaves_nothing_is_refused(make, tmp_path):
    make('whole', [1])
    with pytest.raises(DatasetError, match="query 'frames > 99': holds for none of 1 episodes"):
        filter_dataset(tmp_path / 'whole', tmp_path / 'out', 'frames > 99')
    assert os.listdir(tmp_path) == ['whole']


def test_other_contracts_and_other_preprocessing_are_not_merged(make, record, tmp_path):
    make('one', [1])
    make('two', [2], preprocessing={'grippers': ['thumb']})
    with pytest.raises(DatasetError, match=r'two: preprocessed otherwise than .*one; to fix'):
        merge([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'out')
    build_dataset([record('a')], tmp_path / 'three', jobs=1)
    with pytest.raises(ContractError, match='they differ in'):
        merge([tmp_path / 'one', tmp_path / 'three'], tmp_path / 'out')


def test_appending_gives_what_building_all_at_once_gives(record, tmp_path):
    record('a', frames=5, seed=1)
    record('b', frames=7, seed=2)
    record('c', frames=6, seed=3, outcome='failure')
    episodes = tmp_path / 'episodes'
    whole = build_dataset([episodes], tmp_path / 'whole', jobs=1)
    build_dataset([episodes / 'a'], tmp_path / 'out', jobs=1)
    appended = append_bags(tmp_path / 'out', [episodes], jobs=1)
    assert appended.manifest.data_hash == whole.manifest.data_hash
    assert appended.manifest.steps == whole.manifest.steps
    assert appended.manifest.statistics == whole.manifest.statistics
    assert [e.reason for e in appended.manifest.left_out] == [
        'a: is in it as a', 'c: outcome failure; allowed: success'
    ]  # fmt: skip
    with pytest.raises(DatasetError, match='none of 3 episodes can be used'):
        append_bags(tmp_path / 'out', [episodes], jobs=1)
    assert load_dataset(tmp_path / 'out', verify=True).manifest == appended.manifest
    assert sorted(os.listdir(tmp_path)) == ['episodes', 'out', 'whole']


def test_an_append_that_fails_leaves_the_dataset_as_it_was(record, tmp_path):
    record('a', frames=5)
    record('b', frames=5, skip=['executed'])
    whole = build_dataset([tmp_path / 'episodes/a'], tmp_path / 'out', jobs=1)
    with pytest.raises(DatasetError, match='no command of a source in control'):
        append_bags(tmp_path / 'out', [tmp_path / 'episodes/b'], jobs=1)
    assert load_dataset(tmp_path / 'out', verify=True).manifest == whole.manifest
    shutil.rmtree(tmp_path / 'out')
    with pytest.raises(DatasetError, match=r'no manifest\.json in it'):
        append_bags(tmp_path / 'out', [tmp_path / 'episodes/b'], jobs=1)


def test_no_part_of_a_split_appears_when_one_cannot_be_written(
    tmp_path, camera_contract, camera_episode, file_limit
):
    with DatasetWriter(tmp_path / 'whole', camera_contract, image_format='raw') as writer:
        for seed in (1, 2, 3):
            writer.add(camera_episode(seed, frames=40))
        writer.finish()
    parts = {'a': ['e1'], 'b': ['e2', 'e3']}
    with (
        file_limit(150_000),
        pytest.raises(DatasetError, match=r'b.*: cannot be written: File too'),
    ):
        split(tmp_path / 'whole', tmp_path / 'parts', parts)
    assert os.listdir(tmp_path / 'parts') == []
    assert sorted(split(tmp_path / 'whole', tmp_path / 'parts', parts)) == ['a', 'b']
    assert sorted(os.listdir(tmp_path / 'parts')) == ['a', 'b']


def test_a_dataset_behind_a_link_is_changed_where_it_is(record, tmp_path):
    record('a', seed=1)
    record('b', seed=2)
    build_dataset([tmp_path / 'episodes/a'], tmp_path / 'disk/out', jobs=1)
    (tmp_path / 'out').symlink_to('disk/out')
    append_bags(tmp_path / 'out', [tmp_path / 'episodes/b'], jobs=1)
    assert (tmp_path / 'out').is_symlink()
    assert ids(load_dataset(tmp_path / 'disk/out', verify=True)) == ['a', 'b']
    filter_dataset(tmp_path / 'out', tmp_path / 'one', 'id == "a"')
    (tmp_path / 'link').symlink_to('one')
    filter_dataset(tmp_path / 'out', tmp_path / 'link', 'id == "b"', overwrite=True)
    assert (tmp_path / 'link').is_symlink()
    assert ids(load_dataset(tmp_path / 'one')) == ['b']
    assert os.listdir(tmp_path / 'disk') == ['out']


def test_nothing_is_made_over_what_it_is_made_from(make, record, tmp_path):
    make('one', [1, 2])
    make('two', [3])
    with pytest.raises(DatasetError, match='one: would replace'):
        filter_dataset(tmp_path / 'one', tmp_path / 'one', 'id == "e1"', overwrite=True)
    with pytest.raises(DatasetError, match='two: would replace'):
        merge([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'two', overwrite=True)
    with pytest.raises(DatasetError, match='a: would replace, or lie inside'):
        split(tmp_path / 'one', tmp_path / 'one', {'a': ['e1']}, overwrite=True)
    shutil.copytree(record('a'), tmp_path / 'one' / 'bag')
    with pytest.raises(DatasetError, match='one: would replace'):
        append_bags(tmp_path / 'one', [tmp_path / 'one/bag'], jobs=1)
    assert ids(load_dataset(tmp_path / 'one', verify=True)) == ['e1', 'e2']


def test_bags_are_appended_as_the_first_were_read(record, contract, tmp_path):
    for name in 'ab':
        (record(name, frames=4, namespace='/left', seed=ord(name)) / 'episode.json').unlink()
    episodes, reading = tmp_path / 'episodes', BagReadOptions(namespace='/left')
    build_dataset([episodes / 'a'], tmp_path / 'set', contract=contract, reading=reading, jobs=1)
    _change_first_value(episodes / 'b')
    append_bags(tmp_path / 'set', [episodes / 'b'], jobs=1)
    found = load_dataset(tmp_path / 'set')
    assert (ids(found), found.manifest.reading) == (['a', 'b'], reading)


def _change_first_value(bag):
    """Make another recording of the same messages: only the name inside its file differs."""
    (file,) = bag.glob('*.mcap')
    file.write_bytes(file.read_bytes().replace(b'/left/episode_b', b'/left/episode_c'))


def test_what_is_merged_in_is_not_said_to_be_left_out(make, tmp_path):
    make('whole', [1, 2, 3, 4], steps={'quality': {'kept_frames': 26}})
    split(tmp_path / 'whole', tmp_path / 'parts', {'a': ['e1', 'e2'], 'b': ['e2', 'e3'][1:]})
    merged = merge([tmp_path / 'parts/a', tmp_path / 'parts/b'], tmp_path / 'merged')
    assert ids(merged) == ['e1', 'e2', 'e3']
    assert {entry.id for entry in merged.manifest.left_out} == {'e4'}


def test_what_the_steps_did_is_not_claimed_of_parts_nor_counted_twice(make, tmp_path):
    effects = {'quality': {'kept_frames': 11}}
    make('one', [1, 2], steps=effects)
    make('two', [2, 3], steps=effects)
    make('three', [4, 5], steps=effects)
    assert filter_dataset(tmp_path / 'one', tmp_path / 'f', 'id == "e1"').manifest.steps == {}
    assert merge([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'm').manifest.steps == {}
    assert merge([tmp_path / 'f', tmp_path / 'two'], tmp_path / 'n').manifest.steps == {}
    both = merge([tmp_path / 'one', tmp_path / 'three'], tmp_path / 'o')
    assert both.manifest.steps == {'quality': {'kept_frames': 22}}


def test_parts_of_one_bag_in_two_datasets_are_both_merged(
    camera_contract, camera_episode, tmp_path
):
    whole = camera_episode(1, frames=10)
    for number, rows in ((1, slice(0, 5)), (2, slice(5, 10))):
        with DatasetWriter(tmp_path / f'{number}', camera_contract) as writer:
            entry = dataclasses.replace(whole.entry, id=f'e1.{number}')
            writer.add(whole.take(rows, entry))
            writer.finish()
    merged = merge([tmp_path / '1', tmp_path / '2'], tmp_path / 'merged')
    assert ids(merged) == ['e1.1', 'e1.2']


def test_episodes_with_one_name_get_different_ids_when_merged(
    make, camera_contract, camera_episode, tmp_path
):
    make('one', [1, 2])
    with DatasetWriter(tmp_path / 'two', camera_contract) as writer:
        writer.add(camera_episode(7, id='e1'))
        writer.finish()
    merged = merge([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'out')
    assert ids(merged) == ['e1', 'e2', 'e1-2']
    assert [e.sha256 for e in merged.episodes][2] == f'{7:064x}'


def test_damage_is_not_copied(make, record, tmp_path):
    make('whole', [1, 2])
    with (tmp_path / 'whole/action.npy').open('r+b') as file:
        file.seek(-1, os.SEEK_END)
        file.write(b'\x55')
    path, out = tmp_path / 'whole', tmp_path / 'out'
    for call in (
        lambda: merge([path], out),
        lambda: split(path, out, {'a': ['e1']}),
        lambda: filter_dataset(path, out, 'id == "e1"'),
        lambda: append_bags(path, [record('a')], jobs=1),
    ):
        with pytest.raises(DatasetError, match='whole: action not as written'):
            call()
    assert not out.exists()
