"""Bags of the message types before: told by the definition or the hash, and read as they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from il_ros.bags import bag_reader as bags
from il_ros.bags.bag_metadata import BagTopic
from il_ros.bags.bag_reader import EpisodeReader
from il_ros.bags.recorded_chunk import read_chunk
from il_ros.core.errors import IlRosError
from il_ros.datasets.action_extraction import ExecutedActions
from il_ros.datasets.bag_conversion import convert
from il_ros.datasets.expert_labels import ExpertLabels

MS = 1_000_000
CHUNK, STATUS = 'il_ros/msg/ActionChunk', 'il_ros/msg/MonitorStatus'
OLD = Path(__file__).parents[1] / 'support' / 'interfaces_1'
TEXTS = {kind: (OLD / f'{kind.split("/")[-1]}.msg').read_text() for kind in (CHUNK, STATUS)}
STORE = get_typestore(Stores.ROS2_JAZZY)
for kind, text in TEXTS.items():
    STORE.register(get_types_from_msg(text, kind))


def old_chunk(header, positions, source='expert'):
    message = STORE.types[CHUNK](
        header=header, step_dt=0.05, names=['a', 'b'], horizon=len(positions) // 2,
        positions=np.array(positions, float), source=source, contract_hash='', policy_id='',
    )  # fmt: skip
    return STORE.serialize_cdr(message, CHUNK)


def old_status(header, fault):
    message = STORE.types[STATUS](
        header=header, mode=4, warning=False, takeover=False, fault=fault, reason='why', score=0.5,
        warn=0.8, exceeded=False, triggered=False, policy_id='', tick_cost=0.001,
    )  # fmt: skip
    return STORE.serialize_cdr(message, STATUS)


@pytest.fixture
def old_bag(open_writer, messages):
    """What the fixture `record` records, with an expert's labels, in interfaces of version 1."""
    writer = open_writer('old', topics=('joint_states', 'wrench'))
    for name in ('monitor/executed', 'expert/action_chunk'):
        writer.add_topic(f'/{name}', CHUNK, TEXTS[CHUNK])
    writer.add_topic('/monitor/status', STATUS, TEXTS[STATUS])
    for i in range(10):
        stamp, receive = 10**9 + i * 50 * MS, 5 * 10**9 + i * 50 * MS
        header = messages.header(stamp)
        writer.write('/wrench', messages.wrench(stamp, float(i)), receive)
        joints = messages.joints(stamp, [-0.01 * i, 0.01 * i])
        writer.write('/joint_states', joints, receive + MS)
        command = old_chunk(header, [0.01 * (i + 1), -0.01 * (i + 1)])
        writer.write('/monitor/executed', command, receive + 3 * MS)
        writer.write('/expert/action_chunk', old_chunk(header, [i, i, 2 * i, 0]), receive + 4 * MS)
        writer.write('/monitor/status', old_status(header, 'frozen' if i else ''), receive + 5 * MS)
    return writer.close('success', 'done')


def arrays_of(path, labels=0):
    with EpisodeReader(path) as reader:
        return convert(reader, labels=labels).arrays


def test_an_old_bag_gives_the_arrays_of_a_new_one(old_bag, record):
    old, new = arrays_of(old_bag), arrays_of(record())
    np.testing.assert_array_equal(old.action, new.action)
    np.testing.assert_array_equal(old.source, new.source)
    assert not np.isnan(old.action).any()


def test_labels_of_an_old_bag_are_read(old_bag):
    label = arrays_of(old_bag, labels=2).label
    np.testing.assert_array_equal(label[:, 1, 0], 2.0 * np.arange(10))


def test_a_bag_says_which_interfaces_it_has(old_bag, record):
    for path, version in ((old_bag, 1), (record(), bags.INTERFACES)):
        with EpisodeReader(path) as reader:
            found = {message.interfaces for message in reader.messages(['monitor/executed'])}
        assert found == {version}


def test_without_a_definition_the_hash_tells():
    def of(digest, text=''):
        plain = BagTopic(name='/t', type=CHUNK, definition=text.encode())
        told = replace(plain, metadata={'topic_type_hash': digest})
        assert bags._interfaces(plain, digest) == bags._interfaces(told)
        return bags._interfaces(told)

    assert of(STORE.hash_rihs01(CHUNK)) == 1
    assert of(STORE.hash_rihs01(STATUS)) == of('') == bags.INTERFACES
    assert of('', TEXTS[CHUNK]) == 1


@pytest.mark.parametrize('old', [True, False])
@pytest.mark.parametrize('order', ['little', 'big'])
def test_chunks_of_both_types_say_the_same(messages, old, order):
    header, rows = messages.header(7 * MS), [0.5, 1.5, 2.5, 3.5]
    if old:
        data = old_chunk(header, rows, 'POLICY')
        if order == 'big':
            big = STORE.deserialize_cdr(data, CHUNK)
            data = STORE.serialize_cdr(big, CHUNK, little_endian=False)
    else:
        data = messages.chunk(7 * MS, rows, source='policy')
    message = bags.BagMessage(
        topic='t', type=CHUNK, receive=0, data=bytes(data), interfaces=1 if old else 2
    )
    chunk = read_chunk(message)
    assert (chunk.stamp, chunk.names, chunk.steps) == (7 * MS, ('a', 'b'), 2)
    assert (chunk.positions, chunk.source) == (tuple(rows), 'policy')


@pytest.mark.parametrize('name', ['hold', 'HOLD', 'idle', 'alarm', 'fallback'])
def test_old_names_of_what_is_no_demonstration_are_known(contract, messages, name):
    data = bytes(old_chunk(messages.header(7 * MS), [0.5, 1.5], name))
    source = ExecutedActions(contract)
    source.add(bags.BagMessage(topic='t', type=CHUNK, receive=0, data=data, interfaces=1))
    assert source._commands == []


def test_a_chunk_that_ends_early_is_refused(contract, messages):
    data = bytes(messages.chunk(7 * MS, [0.5, 1.5]))[:60]
    message = bags.BagMessage(topic='t', type=CHUNK, receive=0, data=data)
    for taker in (ExecutedActions(contract), ExpertLabels(contract, 1)):
        with pytest.raises(IlRosError, match='ends early'):
            taker.add(message)


def test_faults_of_an_old_bag_are_shown(old_bag, tmp_path):
    pytest.importorskip('rerun')
    from il_ros.interop.rerun.rerun_bag import _fault_name, view_bag

    with EpisodeReader(old_bag) as reader:
        entities = view_bag(reader, tmp_path / 'out.rrd')
    assert entities['monitor/status'] == 2  # once without a fault, once with it
    assert entities['joint/a/executed'] == 10
    assert [_fault_name(fault) for fault in ('', 'frozen', 0, 5)] == ['', 'frozen', '', 'frozen']
