"""A file that was sealed is the file that its writer would have closed there."""

import os

import pytest
from bag_faults import messages_of, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader

from il_ros.bags.bag_metadata import BagTopic
from il_ros.bags.bag_scan import scan_file
from il_ros.bags.mcap_file import McapFile, Storage
from il_ros.core.errors import DatasetError

TOPICS = [
    BagTopic(name=f'/{name}', type=f'std_msgs/msg/{kind}', definition=kind.encode())
    for name, kind in (('a', 'String'), ('b', 'String'), ('c', 'Header'))
]
written = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2**63 - 1), st.integers(8, 300)), max_size=30
)


@pytest.mark.usefixtures('no_sync')
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(written, st.sampled_from(['none', 'zstd']), st.integers(1, 2000))
def test_a_sealed_file_holds_its_whole_chunks_for_every_reader(
    tmp_path, messages, compression, chunk_size
):
    path = tmp_path / f'{len(list(tmp_path.iterdir()))}.mcap'
    file = McapFile(path, Storage(compression=compression, chunk_size=chunk_size))
    channels = [file.add(topic) for topic in TOPICS]
    kept = sent = 0
    for sent, (topic, log, size) in enumerate(messages, start=1):
        if file.write(channels[topic], log, text(sent - 1, size), log, sent - 1):
            kept = sent
    assert kept <= sent
    whole = file.whole
    os.pwrite(file._out.fd, b'half a chunk', whole)
    file.seal()
    wanted = [(log, log, i, text(i, size)) for i, (_, log, size) in enumerate(messages[:kept])]
    assert messages_of(path) == wanted
    scan = scan_file(path)
    assert (scan.faults, scan.gaps, scan.messages) == ([], [], kept)
    with path.open('rb') as opened:
        summary = make_reader(opened).get_summary()
    statistics = summary.statistics
    assert statistics.message_count == kept
    assert sum(statistics.channel_message_counts.values()) == kept
    assert statistics.chunk_count == len(summary.chunk_indexes) == scan.chunks
    assert {channel.topic for channel in summary.channels.values()} == {'/a', '/b', '/c'}
    assert len(summary.schemas) == 2
    if kept:
        logs = [log for log, *_ in wanted]
        assert statistics.message_start_time == min(logs)
        assert statistics.message_end_time == max(logs)


def test_a_file_that_cannot_be_sealed_is_closed_and_named(tmp_path, monkeypatch):
    file = McapFile(tmp_path / 'a.mcap', Storage())
    descriptors = len(os.listdir('/proc/self/fd'))

    def refuse(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'pwrite', refuse)
    with pytest.raises(DatasetError, match=r'a\.mcap: cannot be closed: .*then run "il_ros bags r'):
        file.seal()
    assert len(os.listdir('/proc/self/fd')) == descriptors - 1
    file.discard()


@pytest.mark.parametrize('there', [True, False])
def test_a_file_that_cannot_begin_leaves_nothing(tmp_path, monkeypatch, there):
    path = tmp_path / 'a.mcap'
    if there:
        path.write_text('old')
    else:

        def refuse(*_):
            raise OSError(5, 'Input/output error')

        monkeypatch.setattr(os, 'write', refuse)
    with pytest.raises(DatasetError, match=r'a\.mcap: '):
        McapFile(path, Storage())
    assert path.exists() == there
    assert not there or path.read_text() == 'old'  # never written over


def test_only_chunks_that_ended_are_synced_and_only_once(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, 'fdatasync', synced.append)
    file = McapFile(tmp_path / 'a.mcap', Storage())
    channel = file.add(TOPICS[0])
    file.write(channel, 1, text(0), 1, 0)
    file.end_chunk()
    assert not file.end_chunk()
    file.sync()
    file.sync()
    assert len(synced) == 1
    file.write(channel, 2, text(1), 2, 1)
    file.sync()  # in memory still
    assert len(synced) == 1
    file.end_chunk()
    file.sync()
    assert len(synced) == 2
    file.discard()
