"""Live runs: what was kept is used again, and figures say what was seen."""

import pytest

rclpy = pytest.importorskip('rclpy')

from types import SimpleNamespace  # noqa: E402

from il_ros.msg import ActionChunk  # noqa: E402

from benchmarks.live_graph import Answers, Lines, difference, summary  # noqa: E402
from il_ros.core.frames import NS  # noqa: E402
from il_ros.ros.message_conversion import fill_stamp  # noqa: E402


def line(seed, *, success=True, alarm=False, segment=1, memory=100.0, **frames):
    return {
        'seed': seed, 'success': success, 'alarm': alarm, 'segment': segment, 'seconds': 30.0,
        'violations': {'velocity': 2, 'workspace': 0}, 'frames': frames,
        'memory': {'monitor': memory, 'policy': 50.0},
    }  # fmt: skip


def test_lines_are_kept_and_one_that_was_cut_short_is_dropped(tmp_path):
    path = tmp_path / 'some/lines.jsonl'
    Lines(path).add({'seed': 1})
    path.write_text(path.read_text() + '{"seed": 2')
    lines = Lines(path)
    lines.add({'seed': 3})
    assert [one['seed'] for one in Lines(path).all] == [1, 3]


def test_a_live_run_sums_up():
    found = summary([line(i, memory=100.0 + i, answered=20, late=1) for i in range(9)])
    assert (found['violations'], found['answered'], found['late']) == (18, 180, 9)
    assert (found['minutes'], found['episodes'], found['unexplained']) == (4.5, 9, 0)
    assert found['growth'] == 3.0  # from 104, the median of its second third, to 107


def test_growth_is_of_one_run_that_was_not_broken_off():
    lines = [line(i, memory=100.0 + 100 * (i > 5), segment=1 + (i > 5)) for i in range(12)]
    assert summary(lines)['growth'] == 0.0


def test_the_same_seeds_are_compared():
    here = [line(i, success=i < 7, alarm=i == 9) for i in range(10)]
    there = [line(i, success=i < 8) for i in reversed(range(12))]
    found = difference(here, there)
    assert found['pairs'] == 10
    assert found['points'] == pytest.approx(10.0)
    assert (found['success_differ'], found['alarm_differ']) == (1, 1)


@pytest.fixture
def hears(monkeypatch):
    """Lets a client hear of frames: a topic, a frame's number, and when it heard of it [s]."""
    callbacks = {}
    node = SimpleNamespace(
        create_subscription=lambda _, topic, take, qos: callbacks.update({topic: take})
    )
    answers = Answers(SimpleNamespace(node=node))
    take_chunk, take_executed = callbacks.values()

    def hear(frame, chunk=None, tick=None):
        for take, at in ((take_chunk, chunk), (take_executed, tick)):
            if at is not None:
                monkeypatch.setattr('time.monotonic', lambda at=at: at)
                take(fill_stamp(ActionChunk(source=ActionChunk.POLICY), round(0.05 * frame * NS)))

    return answers, hear


def test_why_a_frame_had_no_answer_in_time(hears):
    answers, hear = hears
    for frame in range(1, 11):
        at = 0.05 * frame
        if frame == 4:
            hear(frame, at + 0.04, at + 0.025)  # after its tick, and so
        elif frame == 7:
            hear(frame, tick=at + 0.025)  # never, though nothing was late before
        elif frame == 9:
            hear(frame, at + 0.06, at + 0.025)
        elif frame == 10:
            hear(frame, tick=at + 0.025)  # the policy was at work on the one before
        else:
            hear(frame, at + 0.005, at + 0.006)
    hear(11, 0.555, 0.556)
    assert answers.count() == {'answered': 7, 'late': 2, 'unexplained': 1, 'skipped': 1}
    answers.begin()
    assert answers.count() == {}
