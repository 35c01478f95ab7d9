"""Samples of a topic keep their order when the clock of the receiver goes back."""

from il_ros.contracts.contract_replay import _merged
from il_ros.core.seen_graph import SeenSample, SeenTopic


def topic(name, receives):
    made = SeenTopic(name=name, type='std_msgs/msg/Bool')
    for number, receive in enumerate(receives):
        made.take(SeenSample(receive=receive, data=bytes([number]), publisher='p'))
    return made


def test_a_clock_that_goes_back_reorders_no_topic():
    topics = {'a': topic('a', [10, 20, 15, 30]), 'b': topic('b', [12, 25])}
    merged = [(name, sample.data[0]) for name, sample in _merged(topics)]
    assert [number for name, number in merged if name == 'a'] == [0, 1, 2, 3]
    assert merged == [('a', 0), ('b', 0), ('a', 1), ('a', 2), ('b', 1), ('a', 3)]
