"""Bags with bytes and values that nobody meant."""

import json
import shutil

import pytest
import yaml
from bag_faults import (
    messages_of,
    state_of,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mcap.opcode import Opcode

from il_ros.bags.bag_check import assess_bag
from il_ros.bags.bag_recovery import recover
from il_ros.bags.mcap_scan import whole_blocks
from il_ros.core.errors import DatasetError


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example([(60, 0), (1336, 5)])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_random_damage_never_makes_a_message_up(episode, tmp_path, no_sync, damage):
    source = tmp_path / 'episodes' / 'one'
    path = source if source.exists() else episode(count=60)
    content = bytearray((path / 'one.mcap').read_bytes())
    original = [data for *_, data in messages_of(path / 'one.mcap')]
    for offset, value in damage:
        content[offset % len(content)] = value
    bag = tmp_path / 'damaged' / 'one'
    shutil.rmtree(bag, ignore_errors=True)
    shutil.copytree(path, bag)
    (bag / 'one.mcap').write_bytes(content)
    try:
        recover(bag)
    except DatasetError:
        return
    assert state_of(bag) == 'ok'
    found = iter(original)
    assert all(data in found for *_, data in messages_of(bag / 'one.mcap'))


def test_no_record_whose_first_byte_is_damaged_becomes_a_message(episode, tmp_path, no_sync):
    path = episode(count=60)
    content = (path / 'one.mcap').read_bytes()
    original = [data for *_, data in messages_of(path / 'one.mcap')]
    with (path / 'one.mcap').open('rb') as file:
        blocks = list(whole_blocks(file, len(content)))
    ends = {block.end for block in blocks if block.end < len(content) - 8}
    assert len(ends) > 10
    for number, offset in enumerate(sorted(ends)):  # there the next record begins
        bag = tmp_path / str(number) / 'one'
        shutil.copytree(path, bag)
        damaged = bytearray(content)
        damaged[offset] = Opcode.MESSAGE
        (bag / 'one.mcap').write_bytes(damaged)
        recover(bag)
        assert state_of(bag) == 'ok'
        assert [data for *_, data in messages_of(bag / 'one.mcap')] == original


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def changed(data, path, value):
    """`data` with the entry at a path (numbers, taken modulo) replaced."""
    if not path or not isinstance(data, dict | list) or not data:
        return value
    keys = list(data) if isinstance(data, dict) else range(len(data))
    key = keys[path[0] % len(keys)]
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[key] = changed(copy[key], path[1:], value)
    return copy


@pytest.mark.usefixtures('no_sync')
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(['metadata.yaml', 'episode.json']),
    st.lists(st.integers(0, 30), max_size=5),
    JSON,
)
def test_whatever_a_bag_says_of_itself_no_other_error_comes(episode, tmp_path, name, at, value):
    path = tmp_path / 'episodes' / 'one'
    if not path.exists():
        episode(count=5)
    sound = {entry.name: entry.read_bytes() for entry in path.iterdir()}
    data = yaml.safe_load(sound[name]) if name.endswith('yaml') else json.loads(sound[name])
    new = changed(data, at, value)
    dump = yaml.safe_dump(new) if name.endswith('yaml') else json.dumps(new)
    (path / name).write_text(dump, encoding='utf-8')
    try:
        finding = assess_bag(path)
        assert finding.state in ('ok', 'damaged', 'unreadable', 'mismatch', 'incomplete')
        try:
            recover(path)
            assert state_of(path) == 'ok'
        except DatasetError:
            assert finding.wrong
        assert (path / 'one.mcap').read_bytes() == sound['one.mcap']
    finally:
        for entry, content in sound.items():
            (path / entry).write_bytes(content)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(['metadata.yaml', 'episode.json', 'one.mcap']), st.binary(max_size=200))
def test_files_of_any_bytes_are_named(episode, tmp_path, name, content):
    path = tmp_path / 'episodes' / 'one'
    if not path.exists():
        episode(count=5)
    sound = (path / name).read_bytes()
    try:
        (path / name).write_bytes(content)
        assert assess_bag(path).wrong
    finally:
        (path / name).write_bytes(sound)
