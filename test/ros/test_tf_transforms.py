"""Coordinate frames by tf2, where it is installed, and what is said where it is not."""

import importlib.util

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('tf2_msgs.msg')

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from tf_messages import NS, Graph, moved  # noqa: E402

from il_ros.core.errors import IlRosError  # noqa: E402
from il_ros.ros.tf_transforms import TfTransforms, _matrix  # noqa: E402

HAS_TF2 = importlib.util.find_spec('tf2_py') is not None
needs_tf2 = pytest.mark.skipif(
    not HAS_TF2, reason='tf2_py is not installed: no wheel has it, apt has (ros-kilted-tf2-py)'
)


@pytest.fixture
def node(domain):
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node('frames')
    yield node
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def graph(domain):
    with Graph() as made:
        yield made


@pytest.mark.skipif(HAS_TF2, reason='tf2_py is installed')
def test_without_tf2_the_reason_is_told_and_nothing_is_subscribed(node):
    before = len(list(node.subscriptions))
    transforms = TfTransforms(node)
    for _ in range(2):
        with pytest.raises(IlRosError, match='tf2_py, which could tell, is not installed'):
            transforms.transform('base', 'camera', NS)
    assert len(list(node.subscriptions)) == before


def test_a_transform_is_written_as_a_matrix():
    quarter = moved('base', 'tool', 0, x=1.0, turn=(0.0, 0.0, 1.0, 1.0)).transform  # of any norm
    expected = [[0, -1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(_matrix(quarter), expected, atol=1e-12)


@pytest.mark.parametrize(
    ('x', 'turn'), [(np.inf, (0.0, 0.0, 0.0, 1.0)), (0.0, (0.0, 0.0, 0.0, np.nan))]
)
def test_a_transform_that_is_not_finite_is_refused(x, turn):
    with pytest.raises(IlRosError, match='not finite'):
        _matrix(moved('base', 'tool', 0, x=x, turn=turn).transform)


@needs_tf2
def test_a_static_transform_and_a_moving_one_are_found_and_an_old_one_is_refused(graph):
    asked, say = graph.asked(), graph.speaker('driver')
    with pytest.raises(IlRosError, match='tf2 knows no transform'):
        asked.at('camera', NS)
    say.static(moved('base', 'camera', 0, x=2.0))
    say(moved('base', 'tool0', 5 * NS, x=2.0), moved('base', 'tool0', 6 * NS, x=4.0))
    graph.until(asked.knows('camera', NS), asked.knows('tool0', 5 * NS))
    assert [asked.at('camera', stamp) for stamp in (1, NS, 500 * NS)] == [2.0, 2.0, 2.0]
    assert asked.at('tool0', 5_500_000_000) == 3.0  # between the two
    assert asked.at('tool0', 6_050_000_000) == 4.0
    with pytest.raises(IlRosError, match=r'that tf2 knows is 0\.200 s older'):
        asked.at('tool0', 6_200_000_000)
    with pytest.raises(IlRosError, match=r'that tf2 knows is 1\.950 s newer'):
        asked.at('tool0', 4_050_000_000)


@needs_tf2
def test_a_moving_transform_without_a_stamp_does_not_pass_for_a_fixed_one(graph):
    asked, say = graph.asked(), graph.speaker('driver')
    say(moved('base', 'tool0', 0, x=2.0), moved('base', 'tip', NS, x=4.0))
    graph.until(asked.knows('tip', NS))
    with pytest.raises(IlRosError, match='tf2 knows no transform'):
        asked.at('tool0', 1_000 * NS)


@needs_tf2
@pytest.mark.parametrize(
    ('source', 'stamp', 'text'),
    [
        ('tool0', 0, 'it has no stamp'),  # to tf2 the newest transform, of any age
        ('tool0', -5, 'it has no stamp'),
        ('tool0', 2**70, 'too large'),
        ('nowhere', NS, '"nowhere" passed to lookupTransform argument source_frame does not exist'),
        ('', NS, 'tf2 knows no transform'),
        ('/tool0', NS, "cannot start with a '/'"),
        ('tool\0', NS, 'embedded null'),
        ('\udcff', NS, 'surrogates not allowed'),
        ('x' * 100_000, NS, 'tf2 knows no transform'),
        ('loop', NS, 'contains a loop'),
        ('island', NS, 'not part of the same tree'),
    ],
)
def test_what_cannot_be_looked_up_is_refused_in_a_short_text(graph, source, stamp, text):
    asked, say = graph.asked(), graph.speaker('driver')
    say(*(moved('base', name, NS) for name in ('tool0', *(f'frame{i}' for i in range(50)))))
    say(moved('loop', 'pool', NS), moved('pool', 'loop', NS), moved('sea', 'island', NS))
    graph.until(asked.knows('tool0', NS), lambda: asked.listens_to('island'))
    with pytest.raises(IlRosError, match=text) as problem:
        asked.at(source, stamp)
    assert len(str(problem.value)) < 400


@needs_tf2
def test_a_frame_of_two_publishers_is_refused_with_all_that_hangs_on_it(graph):
    asked = graph.asked()
    driver, other = graph.speaker('driver'), graph.speaker('other')
    driver(moved('base', 'arm', NS), moved('arm', 'tool0', NS), moved('base', 'camera', NS))
    other(moved('base', 'object', NS))
    graph.until(*(asked.knows(name, NS) for name in ('tool0', 'camera', 'object')))
    other(moved('base', 'arm', NS + 1, x=9.0))
    if not graph.says_who:
        pytest.skip('this rclpy does not say who sent a message')
    graph.until(lambda: not asked.knows('tool0', NS)())
    text = r"'arm' comes from 2 publishers of /tf \(/driver, /other\), it may come from one"
    for frame in ('tool0', 'arm'):
        with pytest.raises(IlRosError, match=text):
            asked.at(frame, NS)
    assert asked.at('camera', NS) == asked.at('object', NS) == 0.0


@needs_tf2
def test_simulated_time_that_goes_back_forgets_what_moved(graph):
    asked = graph.asked(parameter_overrides=[Parameter('use_sim_time', value=True)])
    say, clock = graph.speaker('driver'), graph.node('world').create_publisher(Clock, '/clock', 10)

    def set_clock(stamp):
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(stamp, NS)
        clock.publish(message)
        graph.until(lambda: asked.node.get_clock().now().nanoseconds == stamp)

    graph.until(lambda: clock.get_subscription_count() == 1)
    set_clock(NS)
    say.static(moved('base', 'camera', 0, x=1.0))
    say(moved('base', 'tool0', NS // 2, x=2.0), moved('base', 'tool0', NS, x=2.0))
    graph.until(asked.knows('camera', NS), asked.knows('tool0', NS))
    set_clock(NS // 10)
    with pytest.raises(IlRosError):
        asked.at('tool0', NS)
    say(moved('base', 'tool0', NS // 10, x=7.0))
    graph.until(asked.knows('tool0', NS // 10))
    assert (asked.at('camera', NS), asked.at('tool0', NS // 5)) == (1.0, 7.0)


@needs_tf2
def test_transforms_of_a_namespace_are_found_by_a_remapping(graph):
    rules = ['--ros-args', '-r', '/tf:=tf', '-r', '/tf_static:=tf_static']
    asked = graph.asked(namespace='/left', cli_args=rules)
    left, right = graph.speaker('driver', '/left'), graph.speaker('driver', '')
    right(moved('base', 'tool0', NS, x=9.0))
    left(moved('base', 'tool0', NS, x=1.0))
    graph.until(asked.knows('tool0', NS))
    assert asked.at('tool0', NS) == 1.0
