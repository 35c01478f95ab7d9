"""What is seen of a robot in a bag of any recorder."""

import pytest
from seen_graphs import FR3_AT, FR3_JOINTS, fr3, graph, states, topic, write_bag

from il_ros.bags.seen_bag import seen_in_bag
from il_ros.core.errors import DatasetError


def test_a_bag_shows_the_same_messages_as_the_graph(tmp_path):
    live = fr3()
    seen = seen_in_bag(write_bag(live, tmp_path / 'bag'), 60.0)
    assert not seen.live
    assert seen.controllers is None
    assert 'bag' in seen.source
    for name, each in seen.topics.items():
        assert [s.data for s in each.samples] == [s.data for s in live.topics[name].samples]
        assert each.rate == pytest.approx(live.topics[name].rate)
    assert seen.descriptions() == live.descriptions()


def test_no_more_is_read_than_asked_for(tmp_path):
    long = states('/joint_states', 10, FR3_JOINTS, FR3_AT, count=100)
    seen = seen_in_bag(write_bag(graph(long), tmp_path / 'bag'), 2.0)
    assert seen.topics['/joint_states'].count == 21
    assert seen.seconds == pytest.approx(2.1)


def test_a_bag_without_any_of_it_says_what_to_record(tmp_path):
    text = topic('/chatter', 'std_msgs/msg/String', 1, lambda *_: b'\0\1\0\0\1\0\0\0\0')
    with pytest.raises(DatasetError, match=r'nothing that a contract is made of.*joint_states'):
        seen_in_bag(write_bag(graph(text), tmp_path / 'bag'), 60.0)
    with pytest.raises(DatasetError):
        seen_in_bag(tmp_path / 'none', 60.0)
