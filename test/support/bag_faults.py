"""Episodes of numbered messages, and what is in a file according to the reader of `mcap`."""

import io

from mcap.reader import make_reader
from mcap.records import Chunk
from mcap.stream_reader import StreamReader, breakup_chunk

from il_ros.bags.bag_check import assess_bag
from il_ros.bags.mcap_file import Storage

SMALL = Storage(chunk_size=2000, reserve=0)
STRING = 'std_msgs/msg/String'


def text(number, size=100):
    """CDR bytes of a String that begins with its number."""
    body = f'{number:08d}'.encode().ljust(size, b'.') + b'\0'
    return b'\0\1\0\0' + len(body).to_bytes(4, 'little') + body


def number(data):
    return int(bytes(data[8:16]))


def messages_of(path):
    """Log time, publish time, sequence and data of all messages, by the reader of `mcap`."""
    with path.open('rb') as file:
        return [
            (m.log_time, m.publish_time, m.sequence, m.data)
            for _, _, m in make_reader(file, validate_crcs=True).iter_messages(log_time_order=False)
        ]


def whole_chunks(content):
    """Where each chunk of a sound file ends, and its messages; by the reader of `mcap`."""
    found, position = [], 8
    for record in StreamReader(io.BytesIO(content), emit_chunks=True).records:
        if isinstance(record, Chunk):
            position = content.index(record.data, position) + len(record.data)
            messages = [r for r in breakup_chunk(record) if hasattr(r, 'log_time')]
            found.append((
                position,
                [(m.log_time, m.publish_time, m.sequence, m.data) for m in messages],
            ))  # fmt: skip
    return found


def write_episode(open_writer, name='one', count=200, storage=SMALL, **options):
    """An episode of numbered strings in small chunks."""
    writer = open_writer(name, topics=(), storage=storage, **options)
    writer.add_topic('/text', STRING)
    for i in range(count):
        writer.write('/text', text(i), 10**9 + i * 10**6, source_ns=10**9 + i, sequence=i)
    return writer.close('success', 'done')


def state_of(path):
    return assess_bag(path).state
