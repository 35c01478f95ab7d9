import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from il_ros.core.errors import EvaluationError
from il_ros.evaluation.episode_result import EpisodeResult, episode_line, read_episodes

ANY = st.floats(width=64)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POSITIVE = st.floats(0, 1e9)


@st.composite
def episodes(draw):
    ticks, joints = draw(st.integers(0, 6)), draw(st.integers(1, 4))
    fallback = draw(st.booleans())
    return EpisodeResult(
        suite=draw(st.from_regex(r'[A-Za-z][A-Za-z0-9_-]{0,8}', fullmatch=True)),
        task=draw(st.text()),
        seed=draw(st.integers(0, 2**63)),
        success=draw(st.booleans()),
        duration=draw(POSITIVE),
        progress=draw(FINITE),
        violations=draw(st.dictionaries(st.text(), st.integers(0, 99), max_size=3)),
        fallback=fallback,
        fallback_time=draw(POSITIVE) if fallback else None,
        reason=draw(st.text(st.characters(codec=None))),
        perturbations=tuple(draw(st.lists(st.text(), max_size=3))),
        times=np.sort(draw(arrays(float, ticks, elements=FINITE))),
        scores=draw(arrays(float, ticks, elements=ANY)),
        threshold=draw(st.none() | st.floats(allow_nan=False)),
        joints=draw(arrays(float, (ticks, joints), elements=ANY) | st.just(np.zeros((0, 0)))),
        takeovers=draw(st.integers(0, 9)),
        latencies=draw(arrays(float, ticks, elements=ANY) | st.just(np.zeros(0))),
        action_errors=draw(arrays(float, ticks, elements=ANY) | st.just(np.zeros(0))),
        bag=draw(st.text()),
    )


def same(a, b):
    arrays_equal = all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        and getattr(a, name).shape == getattr(b, name).shape
        for name in ('times', 'scores', 'joints', 'latencies', 'action_errors')
    )
    return arrays_equal and a.to_json() == b.to_json()


@given(episodes())
def test_json_keeps_everything(original):
    text = json.dumps(original.to_json(), allow_nan=False)
    assert same(EpisodeResult.from_json(json.loads(text)), original)


def test_nan_is_null_infinity_a_word_and_joints_are_columns(traced):
    values = traced(
        ticks=2, scores=np.array([np.nan, np.inf]), joints=np.array([[1.0, np.nan], [2.0, 3.0]])
    ).to_json()
    assert values['scores'] == [None, 'Infinity']
    assert values['joints'] == [[1.0, 2.0], [None, 3.0]]


def test_numpy_scalars_become_plain_json(episode):
    made = episode(seed=np.int64(3), success=np.bool_(True), duration=np.float32(2.0))
    assert json.loads(json.dumps(made.to_json()))['seed'] == 3


def test_file_of_many(tmp_path, episode, stopped, traced):
    written = [episode(), stopped(), traced(reason='two\nlines \u2028')]
    path = tmp_path / 'episodes.jsonl'
    path.write_text(''.join(map(episode_line, written)))
    read = read_episodes(path)
    assert all(same(a, b) for a, b in zip(written, read, strict=True))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'suite': 'a b'}, "suite: got 'a b'; allowed: a plain name"),
        ({'suite': ''}, "suite: got ''; allowed: a plain name"),
        ({'seed': -1}, 'seed: got -1; allowed: at least 0'),
        ({'duration': np.nan}, 'duration: got nan; allowed: finite, at least 0'),
        ({'progress': np.inf}, 'progress: got inf; allowed: finite'),
        ({'violations': {'force': -2}}, 'violations.force: got -2; allowed: at least 0'),
        (
            {'fallback': True},
            'fallback_time: got None; allowed: a time after a fallback, null without one',
        ),
        (
            {'fallback_time': 1.0},
            'fallback_time: got 1.0; allowed: a time after a fallback, null without one',
        ),
        ({'threshold': np.nan}, 'threshold: got nan; allowed: a number, null without one'),
        ({'scores': np.zeros(3)}, 'scores: got shape (3,); allowed: shape (0,)'),
        ({'joints': np.zeros((2, 3))}, 'joints: got shape (2, 3); allowed: shape (0, N) or (0, 0)'),
        ({'takeovers': -1}, 'takeovers: got -1; allowed: at least 0'),
        ({'latencies': np.zeros(3)}, 'latencies: got shape (3,); allowed: shape (0,) or (0,)'),
        ({'times': np.zeros((1, 1))}, 'times: got shape (1, 1); allowed: shape (T,)'),
    ],
)
def test_invalid_values_are_refused(changes, message, episode):
    with pytest.raises(EvaluationError, match=f'^{re.escape(message)}$'):
        episode(**changes)


def test_times_that_run_backwards_are_refused(traced):
    with pytest.raises(EvaluationError, match=r'times: got .*; allowed: finite, not decreasing'):
        traced(ticks=2, times=np.array([1.0, 0.5]))


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('seed', 1.5, 'here.seed: got 1.5; allowed: integer'),
        ('seed', True, 'here.seed: got True; allowed: integer'),
        ('success', 1, 'here.success: got 1; allowed: true or false'),
        ('duration', None, 'here.duration: got None; allowed: finite number'),
        ('duration', 10**400, f'here.duration: got 1{"0" * 56}...; allowed: finite number'),
        ('task', 3, 'here.task: got 3; allowed: string'),
        ('violations', {'a': 'b'}, "here.violations: got {'a': 'b'}; allowed: integer"),
        ('violations', [], 'here.violations: got []; allowed: object of integers'),
        ('perturbations', 'push', "here.perturbations: got 'push'; allowed: list"),
        (
            'joints',
            [[1], [1, 2]],
            'here.joints: got [[1], [1, 2]]; allowed: lists of the same length',
        ),
        ('seed', -4, 'here.seed: got -4; allowed: at least 0'),
        (
            'scores',
            ['x'],
            "here.scores: got ['x']; allowed: number, null (NaN), 'Infinity' or '-Infinity'",
        ),
    ],
)
def test_malformed_values_are_named(key, value, message, episode):
    with pytest.raises(EvaluationError, match=f'^{re.escape(message)}$'):
        EpisodeResult.from_json(episode().to_json() | {key: value}, 'here')


def test_missing_and_unknown_keys_are_named(episode):
    values = episode().to_json()
    del values['seed']
    with pytest.raises(EvaluationError, match=r"^here: missing key 'seed'; allowed: suite, task,"):
        EpisodeResult.from_json(values, 'here')
    with pytest.raises(EvaluationError, match=r"^here: unknown key 'speed'; allowed: suite, task,"):
        EpisodeResult.from_json(episode().to_json() | {'speed': 1}, 'here')
    with pytest.raises(EvaluationError, match=r'^here: got \[\]; allowed: an object$'):
        EpisodeResult.from_json([], 'here')


def test_a_file_cut_short_names_its_line(tmp_path, episode):
    path = tmp_path / 'episodes.jsonl'
    path.write_text((episode_line(episode()) + episode_line(episode(seed=1)))[:-20])
    with pytest.raises(EvaluationError, match=re.escape(f'{path}:2: not JSON: ')) as caught:
        read_episodes(path)
    assert 'resuming the evaluation repairs a truncated end' in str(caught.value)
    with pytest.raises(EvaluationError, match=r'none\.jsonl: cannot be read: '):
        read_episodes(tmp_path / 'none.jsonl')


@given(
    value=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=4)
)
def test_any_value_in_any_place_is_read_or_refused(value, episode):
    for key in episode().to_json():
        try:
            EpisodeResult.from_json(episode().to_json() | {key: value}, 'here')
        except EvaluationError as error:
            also = 'scores|joints|latencies|action_errors|fallback_time'
            assert re.match(rf'here\.({key}|{also})\b', str(error))  # noqa: PT017


@pytest.mark.parametrize(
    ('perturbations', 'kind'),
    [
        ((), 'none'),
        (('push: 30 N',), 'push'),
        (('sensor_bias(0.1)', 'push'), 'push + sensor_bias'),
        (('(odd)',), '(odd)'),
    ],
)
def test_kind_leaves_the_details_out(perturbations, kind, episode):
    assert episode(perturbations=perturbations).kind == kind


def test_violations_of_all_kinds_add_up(episode):
    assert episode(violations={'force': 2, 'velocity': 3}).violated == 5
