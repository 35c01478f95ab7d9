"""Definitions of types in bags: those of ROS are read, others refused before they take time."""

import time

import pytest

from il_ros.bags.bag_metadata import BagTopic
from il_ros.bags.message_definitions import type_store

IDL = r"""
// generated (from (a) file)
module my { module msg {
  @verbatim (language="comment", text="in (m (or mm))" "\\n" "of \"it\"")
  struct Odd {
    @unit (value="m") double length; /* ((( */
    sequence<string<5>, 7> names;
    long grid[4];
  };
}; };
"""


def bag_topic(text, encoding='ros2idl'):
    return BagTopic(name='/odd', type='my/msg/Odd', definition=text.encode(),
                    schema_encoding=encoding, message_encoding='cdr', metadata={})  # fmt: skip


def test_a_type_is_read_from_either_kind_of_definition():
    rule = '=' * 80
    text = f'float64 length\n\n\n  \nmy/Part[] parts\n{rule}\nMSG: my/Part\nint32 number\n'
    store = type_store([bag_topic(text, 'ros2msg')])
    assert [name for name, _ in store.fielddefs['my/msg/Odd'][1]] == ['length', 'parts']
    assert 'my/msg/Part' in store.fielddefs
    assert 'sensor_msgs/msg/JointState' in store.fielddefs
    several = (
        f'{rule}\nIDL: my/msg/Odd\n{IDL}\n{rule}\nIDL: my/msg/Two\n{IDL.replace("Odd", "Two")}'
    )
    for text in (IDL, several):
        store = type_store([bag_topic(text)])
        fields = [name for name, _ in store.fielddefs['my/msg/Odd'][1]]
        assert fields == ['length', 'names', 'grid']
    assert 'my/msg/Two' in store.fielddefs


@pytest.mark.parametrize(
    ('inside', 'problem'),
    [
        ('const long a = ((1));', r"'\('"),
        ('const long a = 1 + (1);', r"'\('"),
        ('struct S { @x((1)) long a; };', r"'\('"),
        ('struct S { sequence<sequence<sequence<long>>> a; };', "'<sequence<sequence<'"),
        ('struct S { long a[1][2]; };', r"'\]\['"),
        ('struct S { ' + '@x(y="z") ' * 101 + 'long a; };', '101 annotations'),
        ('/*' * 30_000 + '((', r"'\('"),
        ('"' + '\\"' * 30_000, 'parse'),
        ('x' * 70_000, 'a definition of 70014 characters, at most 65536 are read'),
    ],
)
def test_what_the_parser_would_be_busy_with_is_refused_at_once(inside, problem):
    begin = time.process_time()
    with pytest.raises(Exception, match=problem):
        type_store([bag_topic(f'module a {{ {inside} }};')])
    assert time.process_time() - begin < 5.0


def test_empty_lines_take_no_time():
    begin = time.process_time()
    store = type_store([bag_topic('\n \r' * 20_000 + '\nfloat64 a\n', 'ros2msg')])
    assert [name for name, _ in store.fielddefs['my/msg/Odd'][1]] == ['a']
    assert time.process_time() - begin < 5.0


def test_definitions_that_contradict_each_other_have_an_end_and_the_same_ones_are_read_once():
    topics = [bag_topic(f'float64 a{i}\n', 'ros2msg') for i in range(9)]
    with pytest.raises(ValueError, match='9 definitions, at most 8 are read'):
        type_store(topics)
    assert type_store(topics[:1] * 20) is type_store(topics[:1])
