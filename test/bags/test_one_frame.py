"""A chunk becomes what it says, wherever it is decompressed."""

import sqlite3
import struct
from contextlib import closing

import lz4.frame
import pytest
import zstandard
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from benchmarks.file_bombs import make_mcap
from il_ros.bags import EpisodeReader
from il_ros.bags.mcap_scan import McapBlock, McapGap, whole_blocks
from il_ros.bags.one_frame import (
    CHUNK_LIMIT,
    decompress_lz4,
    decompress_message,
    decompress_zstd,
)
from il_ros.core.errors import DatasetError

MESSAGE = struct.pack('<BQHIQQ', 5, 22 + 5, 1, 0, 0, 0) + b'12345'
SKIPPED = struct.pack('<II', 0x184D2A50, 4) + b'none'


def zstd(data, *, says=True):
    return zstandard.ZstdCompressor(write_content_size=says).compress(data)


BOMB = zstd(bytes(1 << 20), says=False)
FORGED = {
    'no size in it': ('zstd', BOMB),
    'nothing first': ('zstd', SKIPPED + zstd(MESSAGE)),
    'a bomb second': ('zstd', zstd(MESSAGE) + BOMB),
    'a bomb second, no sizes': ('zstd', zstd(MESSAGE, says=False) + BOMB),
    'cut': ('zstd', zstd(MESSAGE)[:-1]),
    'no frame': ('zstd', b'12345'),
    'lz4, too large': ('lz4', lz4.frame.compress(bytes(1 << 20))),
    'lz4, a bomb second': ('lz4', lz4.frame.compress(MESSAGE) + lz4.frame.compress(BOMB)),
    'lz4, cut': ('lz4', lz4.frame.compress(MESSAGE)[:-1]),
}


@pytest.mark.parametrize('name', FORGED)
def test_a_chunk_that_is_not_one_frame_of_its_size_is_damage_everywhere(tmp_path, name):
    compression, data = FORGED[name]
    read = decompress_zstd if compression == 'zstd' else decompress_lz4
    with pytest.raises(ValueError, match='chunk'):
        read(data, len(MESSAGE))
    make_mcap([(compression, len(MESSAGE), data)])(tmp_path)
    path = tmp_path / 'bag.mcap'
    with path.open('rb') as file:
        found = list(whole_blocks(file, path.stat().st_size))
    assert [piece for piece in found if isinstance(piece, McapGap)]
    assert not [piece for piece in found if isinstance(piece, McapBlock) and piece.messages]


@pytest.mark.parametrize('size', [0, 1, 100_000])
def test_one_frame_is_read_whether_it_says_its_size_or_not(size):
    data = bytes(size)
    assert decompress_zstd(zstd(data), size) == data
    assert decompress_zstd(memoryview(zstd(data, says=False)), size) == data
    assert decompress_lz4(lz4.frame.compress(data, content_checksum=True), size) == data


def test_a_larger_one_than_any_recorder_writes_is_not_decompressed():
    with pytest.raises(ValueError, match='at most 134217728 are read'):
        decompress_zstd(BOMB, CHUNK_LIMIT + 1)


def packed_bag(path, mode):
    """A bag of one message of 9 characters, compressed by rosbag2's rules."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        store = get_typestore(Stores.ROS2_JAZZY)
        topic = writer.add_connection('/text', 'std_msgs/msg/String', typestore=store)
        writer.write(topic, 1, struct.pack('<4sI', b'\0\1\0\0', 10) + b'any words\0')
    return path


def words(path, contract):
    with EpisodeReader(path, contract) as reader:
        return [reader.deserialize(message).data for message in reader.messages(['text'])]


@pytest.mark.parametrize('mode', [CompressionMode.MESSAGE, CompressionMode.FILE])
def test_a_bag_that_is_compressed_is_read(tmp_path, contract, mode):
    assert words(packed_bag(tmp_path / 'bag', mode), contract) == ['any words']


def test_a_message_that_becomes_too_large_is_refused(tmp_path, contract, monkeypatch):
    monkeypatch.setattr('il_ros.bags.one_frame.MESSAGE_LIMIT', 5)
    path = packed_bag(tmp_path / 'bag', CompressionMode.MESSAGE)
    with pytest.raises(DatasetError, match='a message that becomes more than 5 bytes'):
        words(path, contract)


def test_a_message_with_more_after_its_frame_is_refused():
    assert decompress_message(zstd(MESSAGE, says=False)) == MESSAGE
    for data in (zstd(MESSAGE) + BOMB, SKIPPED + BOMB, BOMB[:-1], MESSAGE):
        with pytest.raises(ValueError, match='compressed message'):
            decompress_message(data)


def test_a_file_that_becomes_too_large_is_refused_while_it_is_unpacked(
    tmp_path, contract, monkeypatch
):
    monkeypatch.setattr('il_ros.bags.one_frame._FILE_ROOM', 1000)
    path = packed_bag(tmp_path / 'bag', CompressionMode.FILE)
    (path / 'bag.db3.zstd').write_bytes(zstd(bytes(16 << 20), says=False))
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'temporary'))
    (tmp_path / 'temporary').mkdir()
    with pytest.raises(DatasetError, match=r'bag\.db3\.zstd becomes more than 1000 bytes and 100'):
        words(path, contract)
    assert not list((tmp_path / 'temporary').iterdir())


def test_a_file_that_was_compressed_is_looked_at_when_it_is_unpacked(tmp_path, contract):
    path = packed_bag(tmp_path / 'bag', CompressionMode.FILE)
    made = tmp_path / 'made.db3'
    with closing(sqlite3.connect(made)) as base:
        base.executescript(
            'CREATE TABLE topics (id, name, type, serialization_format);'
            'CREATE VIEW messages AS SELECT 1 AS topic_id, 1 AS timestamp, zeroblob(9) AS data'
        )
    (path / 'bag.db3.zstd').write_bytes(zstd(made.read_bytes()))
    with pytest.raises(DatasetError, match="'messages' is no plain table"):
        words(path, contract)
