"""Whatever is written in whatever order is in the bag, once, and every reader agrees on it."""

import errno
import os
from itertools import groupby

import pytest
from bag_faults import STRING, messages_of, number, state_of, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from il_ros.bags import EpisodeReader
from il_ros.bags.bag_check import assess_bag
from il_ros.bags.bag_recovery import recover
from il_ros.bags.bag_storage import bag_files
from il_ros.bags.episode_info import MessageLoss, read_episode_info
from il_ros.bags.mcap_file import Storage
from il_ros.core.errors import DatasetError

LAST = 2**63 - 1
storages = st.builds(
    Storage,
    compression=st.sampled_from(['none', 'zstd']),
    chunk_size=st.integers(1, 3000),
    max_file_size=st.sampled_from([0, 0, 1, 4000]),
    reserve=st.sampled_from([0, 1000]),
)
calls = st.lists(
    st.tuples(st.just('write'), st.sampled_from('abc'), st.sampled_from([0, 5, LAST])
              | st.integers(0, 10**6), st.integers(0, 400))
    | st.tuples(st.just('flush'))
    | st.tuples(st.just('announce'), st.sampled_from('abcd')),
    max_size=25,
)  # fmt: skip
few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.usefixtures('no_sync')
@few
@given(storages, calls, st.integers(0, 10**6))
def test_every_order_of_calls_gives_a_whole_bag(open_writer, tmp_path, storage, calls, number):
    name = f'e{len(list(tmp_path.glob("episodes/*")))}'
    writer = open_writer(name, topics=(), storage=storage)
    written, announced = [], set()
    for call, *arguments in calls:
        if call == 'flush':
            writer.flush()
        elif call == 'announce':
            announced.add(f'/{arguments[0]}')
            writer.add_topic(f'/{arguments[0]}', STRING)
        else:
            topic, receive, size = arguments
            writer.add_topic(f'/{topic}', STRING)
            data = text(len(written), 8 + size)
            writer.write(f'/{topic}', data, receive, source_ns=number, sequence=number - len(data))
            sequence = (number - len(data)) & 0xFFFFFFFF
            written.append((f'/{topic}', (receive, number or receive, sequence, data)))
    path = writer.close('success')
    assert state_of(path) == 'ok'
    found = [message for file in bag_files(path) for message in messages_of(file)]
    assert found[1:] == [message for _, message in written]  # the first is the contract
    info = read_episode_info(path)
    counted = {topic: 0 for topic in announced} | {
        topic: len(list(group)) for topic, group in groupby(sorted(written), key=lambda w: w[0])
    }
    assert {t: i.messages for t, i in info.topics.items() if t != '/contract'} == counted
    assert info.messages == len(written) + 1 == writer.messages
    with EpisodeReader(path) as reader:
        read = [(f'/{m.topic}', m.receive, m.data) for m in reader.messages('abcd')]
    assert sorted(read) == sorted((topic, message[0], message[3]) for topic, message in written)
    if not storage.max_file_size:
        receives = [receive for _, receive, _ in read]
        assert receives == sorted(receives)


@pytest.mark.parametrize('source', [-1, -(10**18), 0, 1 << 63, 1 << 64, 1 << 70])
def test_a_publisher_with_a_mad_clock_costs_its_publish_time_only(open_writer, source):
    writer = open_writer(topics=())
    writer.add_topic('/text', STRING)
    for i in range(3):
        writer.write('/text', text(i), 10 + i, source_ns=source if i == 1 else 7)
    path = writer.close('success')
    assert state_of(path) == 'ok'
    assert [m[:2] for m in messages_of(path / 'one.mcap')[1:]] == [(10, 7), (11, 11), (12, 7)]


@pytest.mark.parametrize('receive', [-1, 1 << 63, 1 << 64])
@pytest.mark.parametrize('first', [True, False])
def test_a_time_that_cannot_be_stored_is_refused_before_anything_is_written(
    open_writer, receive, first
):
    writer = open_writer(topics=())
    writer.add_topic('/text', STRING)
    if not first:
        writer.write('/text', text(0), 5)
    with pytest.raises(DatasetError, match=r'/text: received at .* ns; allowed: 0 to 2\^63 - 1'):
        writer.write('/text', text(1), receive)
    writer.write('/text', text(2), 9)
    path = writer.close('success')
    assert state_of(path) == 'ok'
    assert len(messages_of(path / 'one.mcap')) == 3 - first


def test_an_outcome_that_is_none_is_refused_and_the_episode_goes_on(open_writer):
    writer = open_writer(topics=())
    with pytest.raises(DatasetError, match="outcome: got 'won'; allowed: success, failure, "):
        writer.close('won')
    assert state_of(writer.part) == 'running'
    assert state_of(writer.close('discarded')) == 'ok'


@pytest.mark.parametrize('name', ['x' * 201, 'ø' * 101, 'a\0b', '..', '.', '/tmp/x', 'a/'])
def test_a_name_that_no_disk_can_hold_is_refused_with_the_reason(open_writer, tmp_path, name):
    with pytest.raises(DatasetError, match=r'episode_id: got .* of at most 200 bytes'):
        open_writer(name)
    assert not (tmp_path / 'episodes').exists()


def test_the_longest_name_can_be_recorded_split_and_recovered(open_writer, no_sync):
    name = 'ø' * 100
    writer = open_writer(name, topics=(), storage=Storage(chunk_size=500, max_file_size=2000))
    writer.add_topic('/text', STRING)
    for i in range(40):
        writer.write('/text', text(i), i)
    path = writer.close('success')
    assert len(bag_files(path)) > 2
    os.truncate(path / f'{name}_1.mcap', 1200)
    recover(path, keep=True)
    assert state_of(path) == 'ok'


@pytest.mark.parametrize(
    'call',
    [
        lambda w: w.write('/text', text(0), 1),
        lambda w: w.flush(),
        lambda w: w.add_topic('/other', STRING),
        lambda w: w.close('success'),
    ],
)
@pytest.mark.parametrize('end', ['close', 'abort'])
def test_what_comes_after_the_end_is_an_error_and_changes_nothing(open_writer, tmp_path, call, end):
    writer = open_writer(topics=())
    writer.add_topic('/text', STRING)
    writer.close('success') if end == 'close' else writer.abort()
    with pytest.raises(DatasetError, match='is closed'):
        call(writer)
    writer.abort()
    names = [entry.name for entry in (tmp_path / 'episodes').iterdir()]
    assert names == (['one'] if end == 'close' else [])
    assert not names or state_of(tmp_path / 'episodes' / 'one') == 'ok'


def test_losses_of_topics_that_are_not_there_are_not_made_up(open_writer):
    writer = open_writer(topics=())
    writer.add_topic('/text', STRING)
    lost = MessageLoss(lost=3, overflow=1, publishers=2)
    info = read_episode_info(
        writer.close('success', losses={'/text': lost, '/other': MessageLoss(lost=9)})
    )
    assert set(info.topics) == {'/text', '/contract'}
    assert (info.topics['/text'].lost, info.topics['/text'].publishers) == (3, 2)
    assert info.topics['/contract'].lost == 0


@pytest.mark.usefixtures('no_sync')
@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_at_any_write_leaves_what_was_whole(
    open_writer, monkeypatch, tmp_path, code
):
    whole = []
    for fails_at in range(1, 60):
        failed, path = _write_on_a_disk_that_fails(open_writer, monkeypatch, fails_at, code)
        if path is None:
            continue
        file = path / f'e{fails_at}.mcap'
        numbers = [number(data) for *_, data in messages_of(file)[1:]]
        assert numbers == list(range(len(numbers)))
        assert state_of(path) == 'ok' or not messages_of(file)
        whole.append(len(numbers))
        if not failed:
            break
    assert whole[-1] == 9
    assert whole == sorted(whole)  # the later it fails, the more is kept
    assert set(whole) > {0, 9}
    assert not list((tmp_path / 'episodes').glob('.*/*/*.tmp'))


def _write_on_a_disk_that_fails(open_writer, monkeypatch, fails_at, code):
    """Whether the n-th write failed, and the episode, if anything of it was whole."""
    real, done = os.write, []

    def write(fd, data):
        done.append(fd)
        if len(done) == fails_at:
            raise OSError(code, os.strerror(code))
        return real(fd, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'write', write)
        try:
            writer = open_writer(f'e{fails_at}', topics=(), storage=Storage(chunk_size=400))
        except DatasetError:
            return True, None
        try:
            writer.add_topic('/text', STRING)
            for i in range(9):
                writer.write('/text', text(i), 10 + i)
            return len(done) >= fails_at, writer.close('success')
        except DatasetError:
            patch.undo()
            return True, _ended(writer)


def _ended(writer):
    try:
        return writer.close('failure')
    except DatasetError:
        finding = assess_bag(writer.part)
        assert finding.state != 'running'
        return recover(writer.part) if finding.messages else None
