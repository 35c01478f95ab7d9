"""What a tf2 buffer is given, and what it is not, with a buffer that only keeps a record."""

import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('tf2_msgs.msg')

from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from tf_messages import NS, moved  # noqa: E402

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.ros.tf_listener import LONGEST_NAME, MOST_FRAMES, TfListener  # noqa: E402

DRIVER, OTHER = b'D' * 16, b'O' * 16


class Record:
    """A buffer that keeps the names of what it is given, in order."""

    def __init__(self):
        self.given = []

    def set_transform(self, transform, authority):
        self.given.append((transform.header.frame_id, transform.child_frame_id))

    def set_transform_static(self, transform, authority):
        self.given.append(('static', transform.header.frame_id, transform.child_frame_id))

    def clear(self):
        self.given.append('clear')


class Heard:
    """A listener that is handed messages, with a clock that is moved by hand [s]."""

    def __init__(self, node):
        self.now, self.buffer = 0.0, Record()
        self.listener = TfListener(node, self.buffer, lambda: self.now)

    def __call__(self, *transforms, by=DRIVER, static=False):
        info = {'publisher_gid': {'data': by}} if by else {}
        self.listener._take(TFMessage(transforms=transforms), info, static=static)

    def refused(self, *frames):
        try:
            self.listener.require_one_publisher(*frames)
        except IlRosError as problem:
            return str(problem)
        return ''


@pytest.fixture
def heard(domain):
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('frames')
    yield Heard(node)
    node.destroy_node()
    rclpy.shutdown()


def test_both_topics_are_passed_on_and_a_slash_in_front_is_left_out_as_tf2_does(heard):
    heard(moved('/base', '/tool0', NS), moved('tool0', 'tip', NS))
    heard(moved('base', 'camera', 0), static=True)
    assert heard.buffer.given == [('base', 'tool0'), ('tool0', 'tip'), ('static', 'base', 'camera')]


def test_a_moving_transform_without_a_stamp_is_left_out_and_a_fixed_one_is_not(heard):
    heard(moved('base', 'tool0', 0), moved('base', 'tool0', -5), moved('base', 'tip', 1))
    heard(moved('base', 'camera', 0), static=True)
    assert heard.buffer.given == [('base', 'tip'), ('static', 'base', 'camera')]


def test_a_second_publisher_of_a_frame_refuses_it_and_what_hangs_on_it(heard):
    heard(moved('base', 'arm', NS), moved('arm', 'tool0', NS), moved('base', 'camera', NS))
    heard(moved('base', '/arm', NS), by=OTHER)  # the same frame to tf2
    assert heard.refused('camera', 'base') == ''
    assert heard.refused('base', 'tool0').startswith("'arm' comes from 2 publishers of /tf (one")


def test_a_publisher_that_begins_again_is_believed_after_a_second(heard):
    heard(moved('base', 'tool0', NS))
    heard(moved('base', 'tool0', NS), by=OTHER)
    heard.now = 0.9
    heard(moved('base', 'tool0', NS), by=OTHER)
    assert heard.refused('tool0')
    heard.now = 1.1
    assert heard.refused('tool0') == ''


def test_a_node_that_says_the_same_of_a_fixed_frame_is_none_too_many(heard):
    heard(moved('base', 'camera', 0, x=1.0), static=True)
    heard(moved('base', 'camera', NS, x=1.0), static=True, by=OTHER)
    assert heard.refused('camera') == ''
    heard(moved('base', 'camera', NS, x=1.001), static=True, by=OTHER)
    assert "'camera' comes from 2 publishers" in heard.refused('camera')


@pytest.mark.parametrize('after', [moved('arm', 'camera', 0), moved('base', 'camera', NS)])
def test_neither_another_parent_nor_a_moving_one_passes_for_the_same(heard, after):
    heard(moved('base', 'camera', 0), static=True)
    heard(after, by=OTHER, static=after.header.frame_id == 'arm')
    assert "'camera' comes from 2 publishers" in heard.refused('camera')


def test_a_loop_ends(heard):
    heard(moved('a', 'b', NS), moved('b', 'a', NS), moved('self', 'self', NS))
    assert heard.refused('a', 'self') == ''


def test_where_nobody_says_who_sent_it_all_are_taken(heard):
    heard(moved('base', 'tool0', NS), by=b'')
    heard(moved('base', 'tool0', NS + 1), by=b'')
    assert heard.refused('tool0') == ''


def test_time_that_goes_back_by_more_than_the_buffer_keeps_begins_anew(heard):
    heard(moved('base', 'tool0', 100 * NS))
    heard(moved('base', 'tool0', 91 * NS))  # late
    assert heard.buffer.given == [('base', 'tool0')] * 2
    heard(moved('base', 'tool0', 50 * NS))
    heard(moved('base', 'tool0', 51 * NS))
    assert heard.buffer.given[2:] == ['clear', ('base', 'tool0'), ('base', 'tool0')]


def test_fresh_names_take_no_more_memory_and_known_frames_go_on(heard):
    heard(moved('base', 'tool0', NS))
    heard(moved('base', 'x' * (LONGEST_NAME + 1), NS), moved('y' * (LONGEST_NAME + 1), 'z', NS))
    assert len(heard.buffer.given) == 1
    heard(*(moved('base', f'frame{i}', NS) for i in range(MOST_FRAMES + 50)))
    heard(*(moved(f'parent{i}', 'tool0', NS) for i in range(50)))
    assert len({name for given in heard.buffer.given for name in given}) == MOST_FRAMES
    heard(moved('base', 'tool0', NS))
    assert heard.buffer.given[-1] == ('base', 'tool0')
