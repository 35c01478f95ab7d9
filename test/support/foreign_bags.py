"""Bags of strings with numbers, as tools other than ours write them."""

import struct

import yaml

TYPE = 'std_msgs/msg/String'


def cdr_text(number):
    """CDR bytes of a String that is a number."""
    body = f'{number:06d}'.encode() + b'\0'
    return struct.pack('<4sI', b'\0\1\0\0', len(body)) + body


def number_of(data):
    """The number of such a String."""
    return int(data[8:14])


def edit_metadata(bag, **changes):
    """Change keys of a bag's metadata."""
    file = bag / 'metadata.yaml'
    data = yaml.safe_load(file.read_text())
    data['rosbag2_bagfile_information'] |= changes
    file.write_text(yaml.safe_dump(data))
