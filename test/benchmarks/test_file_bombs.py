"""What grows in its reader is refused in time, and what only grows because it is blank is read."""

import struct

import pytest
import zstandard

from benchmarks.file_bombs import make_mcap, refuse_all
from il_ros.bags.bag_metadata import RefusedError
from il_ros.bags.mcap_scan import McapGap, McapOutline, whole_blocks


def chunk(message, count):
    """Chunk of so many of these messages."""
    record = struct.pack('<BQHIQQ', 5, 22 + len(message), 1, 0, 0, 0) + message
    content = record * count
    return 'zstd', len(content), zstandard.ZstdCompressor(level=1).compress(content)


def test_a_sample_of_the_bombs_is_refused(tmp_path):
    blasts = refuse_all(tmp_path / 'bombs', every=7)
    assert len(blasts) > 5
    for blast in blasts:
        assert blast.refused, blast
        assert blast.seconds < 10.0, blast  # 2 s is measured on a machine that does nothing else
        assert blast.megabytes < 300.0, blast


@pytest.mark.parametrize(('message', 'count'), [(bytes(1 << 20), 4), (b'12345', 1000)])
def test_a_bag_of_blank_images_or_small_messages_is_no_bomb(tmp_path, message, count):
    make_mcap([chunk(message, count)] * 40)(tmp_path)
    path = tmp_path / 'bag.mcap'
    size = path.stat().st_size
    with path.open('rb') as file:
        outline = McapOutline(file, size)
        read = [len(outline.read(chunk).messages) for chunk in outline.chunks]
        blocks = list(whole_blocks(file, size))
    assert read == 40 * [count]
    assert (
        sum(len(block.messages) for block in blocks if not isinstance(block, McapGap)) == 40 * count
    )
    assert not [block for block in blocks if isinstance(block, McapGap)]


def test_a_bag_that_becomes_too_much_is_refused_and_not_called_damaged(tmp_path):
    make_mcap([chunk(b'', 50_000)] * 3)(tmp_path)
    path = tmp_path / 'bag.mcap'

    def read(file, size):
        outline = McapOutline(file, size)
        return [outline.read(chunk) for chunk in outline.chunks]

    for use in (read, lambda file, size: list(whole_blocks(file, size))):
        with (
            path.open('rb') as file,
            pytest.raises(RefusedError, match=r'too many records') as said,
        ):
            use(file, path.stat().st_size)
        assert said.value.where == str(path)
