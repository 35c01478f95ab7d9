"""A chunk becomes what it says, wherever it is decompressed."""

import struct

import lz4.frame
import pytest
import zstandard
from rosbags.rosbag2.storage_mcap import decompress

from benchmarks.file_bombs import make_mcap
from il_ros.bags.mcap_scan import McapBlock, McapGap, whole_blocks
from il_ros.bags.one_frame import CHUNK_LIMIT, bound_rosbags, decompress_lz4, decompress_zstd

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
    bound_rosbags()
    with pytest.raises(ValueError, match='chunk'):
        decompress(data, compression, len(MESSAGE), 0)
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
