import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_episodes import CONTRACT, PERIOD, made

from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.preprocessing.action_filter import ActionFilter
from il_ros.datasets.preprocessing.preprocess import (
    Preprocessing,
    load_preprocessing,
    preprocess,
)
from il_ros.datasets.preprocessing.quality_rules import Bounds, Outliers, Quality, find_outliers
from il_ros.datasets.preprocessing.segmentation import Idle, Segmentation

CONFIG = Path(__file__).parents[3] / 'config' / 'preprocessing'


def run(episode, **steps):
    return preprocess(CONTRACT, episode, Preprocessing(**steps))


def hand(frames=100, seed=0):
    """Joint a as a hand moves it: there and back, with tremor."""
    time = np.arange(frames) / 20
    noise = np.random.default_rng(seed).normal(0, 0.005, frames)
    return 0.4 * np.sin(2 * np.pi * 0.3 * time) + noise


def test_by_default_every_usable_frame_stays_as_it_is():
    episode = made(hand(), measured=None, task='reach', seed=3)
    found = run(episode)
    (part,) = found.episodes
    assert found.left_out == ()
    assert part.entry.id == 'e'
    assert (part.entry.length, part.entry.left_out, part.entry.gaps) == (100, 0, 0)
    assert (part.entry.task, part.entry.seed) == ('reach', 3)
    np.testing.assert_array_equal(part.action, episode.action)
    assert found.effects['filter'] == {}
    assert found.effects['segmentation']['frames'] == 100
    assert found.effects['quality'] == {
        'left_out_parts': 0, 'left_out_frames': 0, 'kept_frames': 100,
    }  # fmt: skip


def test_frames_without_action_or_stream_split_and_are_counted():
    action = hand(12)
    action[4] = np.nan
    found = run(made(action, invalid=[('arm', [0, 8]), ('goal', [10])]))
    first, second, third = found.episodes
    assert [e.entry.id for e in found.episodes] == ['e.1', 'e.2', 'e.3']
    assert [e.frames for e in found.episodes] == [3, 3, 3]
    # Frame 0 lies before the first part, 4 before the second, 8 before the third.
    assert [e.entry.left_out for e in found.episodes] == [1, 1, 1]
    assert (second.stamp[0] - first.stamp[-1]) == 2 * PERIOD
    assert all(np.isfinite(part.action).all() for part in found.episodes)
    assert third.entry.measures['gaps'] == 2
    assert third.entry.measures['invalid_fraction.arm'] == pytest.approx(2 / 12)
    assert found.effects['segmentation']['unusable_frames'] == 3


def test_an_allowed_gap_is_counted_in_the_entry():
    episode = made(6, steps=[0, 1, 2, 4, 5, 6])
    (part,) = run(episode, segmentation=Segmentation(gap=2.5)).episodes
    assert part.entry.gaps == 1


def test_each_part_has_its_own_measures_and_those_of_the_whole():
    steps = np.concatenate([np.arange(20), 30 + np.arange(40)])
    episode = made(hand(60), steps=steps, measures={'loss.arm': 0.01})
    first, second = run(episode).episodes
    assert first.entry.measures['duration'] == pytest.approx(19 / 20)
    assert second.entry.measures['duration'] == pytest.approx(39 / 20)
    for name in ('gaps', 'usable_fraction', 'loss'):
        assert first.entry.measures[name] == second.entry.measures[name]
    assert first.entry.measures['loss'] == 0.01
    json.dumps(dict(first.entry.measures), allow_nan=False)


def test_every_event_goes_to_one_part():
    events = [('note', -5.0), ('mode', 3.0), ('cut', 5.0), ('note', 9.0), ('stop', 30.0)]
    found = run(made(10, events=events), segmentation=Segmentation(events=('cut',)))
    first, second = found.episodes
    assert [e.kind for e in first.events] == ['note', 'mode']
    assert [e.kind for e in second.events] == ['cut', 'note', 'stop']


def test_the_filter_sees_no_frame_that_is_not_used():
    raw = hand(120)
    raw[:20] = np.nan
    settings = {'filter': ActionFilter(cutoff=3.0)}
    (whole,) = run(made(raw), **settings).episodes
    (alone,) = run(made(raw[20:]), **settings).episodes
    np.testing.assert_allclose(whole.action, alone.action, atol=1e-7)
    np.testing.assert_array_equal(whole.action_raw, alone.action_raw)
    assert not np.array_equal(whole.action, whole.action_raw)


def test_session_is_cut_before_anything_is_measured():
    episode = made(hand(40), invalid=[('goal', slice(0, 10))], events=[('start', 10.0)])
    found = run(episode, segmentation=Segmentation(begin='start'))
    (part,) = found.episodes
    assert part.frames == part.entry.length == 30
    assert part.entry.left_out == 10
    assert part.entry.measures['invalid_fraction.goal'] == 0.0
    assert found.effects['segmentation']['outside_frames'] == 10
    assert found.effects['alignment']['valid_fraction.goal'] == 1.0


def test_flagged_is_left_out_whole_with_its_reason():
    steps = [0, 1, 2, 9, 10, 11]
    quality = Quality(leave_out_flagged=True)
    found = run(made(6, steps=steps, flagged=True), quality=quality)
    assert found.episodes == ()
    (left_out,) = found.left_out
    assert (left_out.bag, left_out.id) == ('/bags/e', 'e')
    assert left_out.reason == 'e: flagged by the operator'
    assert found.effects['quality'] == {
        'left_out_parts': 2, 'left_out_frames': 6, 'kept_frames': 0,
    }  # fmt: skip


def test_all_reasons_are_named_at_once():
    quality = Quality(outcomes=('success',), bounds={'gaps': Bounds(max=0)})
    found = run(made(6, steps=[0, 1, 2, 9, 10, 11], outcome='failure'), quality=quality)
    assert [entry.reason for entry in found.left_out] == [
        'e: outcome failure, allowed: success; gaps 1, allowed: at most 0'
    ]


def test_one_part_is_left_out_and_the_other_stays():
    steps = np.concatenate([np.arange(4), 30 + np.arange(40)])
    quality = Quality(bounds={'duration': Bounds(min=1.0)})
    found = run(made(hand(44), steps=steps), quality=quality)
    assert [part.entry.id for part in found.episodes] == ['e.2']
    assert [entry.reason for entry in found.left_out] == [
        'e.1: duration 0.15 s, allowed: at least 1 s'
    ]
    assert [entry.id for entry in found.left_out] == ['e.1']


def test_where_nothing_is_left_it_says_why():
    found = run(made(np.full(8, np.nan)))
    assert found.episodes == ()
    assert [entry.reason for entry in found.left_out] == [
        'e: nothing is left of 8 frames: 0 lie outside begin and end, 8 lack an action or a '
        'required stream, 0 stand still, 0 are in parts shorter than min_length'
    ]
    still = run(made(8), segmentation=Segmentation(idle=Idle(trim=True)))
    assert ', 8 stand still, ' in still.left_out[0].reason
    short = run(made(8), segmentation=Segmentation(min_length=1.0))
    assert ', 8 are in parts shorter than min_length' in short.left_out[0].reason
    assert run(made(0)).left_out[0].reason.startswith('e: nothing is left of 0 frames')


def test_a_bound_on_a_stream_that_is_not_there_is_an_error():
    quality = Quality(bounds={'invalid_fraction.camera': Bounds(max=0.1)})
    with pytest.raises(DatasetError, match="no stream 'camera'"):
        run(made(8), quality=quality)


def test_outliers_of_the_set():
    entries = [
        EpisodeEntry(id=f'e{i}', start=0, length=1, measures={'duration': 10.0 + (i == 9) * 90})
        for i in range(10)
    ]
    assert set(find_outliers(entries, Outliers())) == {'e9'}


@given(
    st.lists(st.sampled_from([True] * 5 + [False]), min_size=1, max_size=80),
    st.booleans(),
    st.sampled_from([0.0, 0.2]),
)
@settings(deadline=None, max_examples=50)
def test_every_frame_is_kept_once_or_counted(good, trim, least):
    raw = hand(len(good))
    raw[~np.array(good)] = np.nan
    segmentation = Segmentation(idle=Idle(trim=trim), min_length=least)
    found = run(made(raw), segmentation=segmentation)
    lengths = [part.entry.length for part in found.episodes]
    assert lengths == [part.frames for part in found.episodes]
    if found.episodes:
        assert sum(lengths) + sum(p.entry.left_out for p in found.episodes) == len(good)
    stamps = np.concatenate([np.empty(0, np.int64), *(part.stamp for part in found.episodes)])
    assert (np.diff(stamps) > 0).all()
    effect = found.effects['segmentation']
    assert effect['frames'] == sum(lengths) + sum(
        effect[name]
        for name in ('outside_frames', 'unusable_frames', 'idle_frames', 'short_frames')
    )


def test_what_was_preprocessed_is_not_changed_by_it_again():
    raw = np.concatenate([np.zeros(30), hand(80), np.full(30, hand(80)[-1])])
    raw[60] = np.nan
    chosen = Preprocessing(segmentation=Segmentation(idle=Idle(trim=True), min_length=0.5))
    once = preprocess(CONTRACT, made(raw), chosen).episodes
    assert len(once) == 2
    for part in once:
        (again,) = preprocess(CONTRACT, part, chosen).episodes
        assert again.entry.id == part.entry.id
        assert again.entry.left_out == part.entry.left_out
        np.testing.assert_array_equal(again.stamp, part.stamp)
        np.testing.assert_array_equal(again.action, part.action)


def test_the_hash_is_of_what_the_settings_say():
    assert Preprocessing().hash == load_preprocessing(CONFIG / 'default.yaml').hash
    assert Preprocessing().hash != Preprocessing(filter=ActionFilter(cutoff=3.0)).hash
    one = Preprocessing(quality=Quality(bounds={'gaps': Bounds(max=0), 'loss': Bounds(max=0.1)}))
    two = Preprocessing(quality=Quality(bounds={'loss': Bounds(max=0.1), 'gaps': Bounds(max=0)}))
    assert one.hash == two.hash
    assert len(one.hash) == 64


def test_default_file_says_nothing_but_names_every_setting():
    assert load_preprocessing(CONFIG / 'default.yaml') == Preprocessing()
    # Its comments are YAML, and the very defaults.
    text = (CONFIG / 'default.yaml').read_text()
    body = text.split('#\n', 1)[1]
    uncommented = '\n'.join(line.removeprefix('# ') for line in body.splitlines())
    assert 'bounds: {}' in uncommented
    path = CONFIG / 'default.yaml'
    assert _read(uncommented, path) == Preprocessing()


def _read(text, path):
    import yaml

    from il_ros.core.config import parse

    return parse(Preprocessing, yaml.safe_load(text), where=path.name)


def test_teleoperation_takes_the_tremor_and_the_waiting_out():
    chosen = load_preprocessing(CONFIG / 'teleoperation.yaml')
    raw = np.concatenate([np.zeros(40), hand(100), np.full(40, hand(100)[-1])])
    found = preprocess(CONTRACT, made(raw), chosen)
    (part,) = found.episodes
    assert found.effects['segmentation']['idle_frames'] > 50
    jerk = preprocess(CONTRACT, made(raw), Preprocessing()).episodes[0].entry.measures['jerk']
    assert part.entry.measures['jerk'] < jerk / 2
    assert part.stamp[0] > NS + 30 * PERIOD


def test_errors_name_file_and_path(tmp_path):
    def read(text):
        path = tmp_path / 'mine.yaml'
        path.write_text(text)
        with pytest.raises(DatasetError) as error:
            load_preprocessing(path)
        return str(error.value)

    assert read('filter: {cutof: 5.0}') == (
        "mine.yaml.filter: unknown key 'cutof'; allowed: cutoff, order, joints; "
        'to fix: correct or remove it'
    )
    assert read('segmentation: {idle: {dwell: 0.1}}') == (
        'mine.yaml.segmentation.idle: margin 0.2 s; allowed: from half the window, 0.1 s, to less '
        'than dwell, 0.1 s'
    )
    assert read('quality: {bounds: {jrek: {max: 1.0}}}').startswith(
        "mine.yaml.quality: no measure 'jrek'; allowed: gaps, "
    )
    assert read('quality: {bounds: {jerk: {most: 1.0}}}').startswith(
        "mine.yaml.quality.bounds.jerk: unknown key 'most'; allowed: min, max"
    )
    assert 'a mapping' in read('- filter')


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match='no such file'):
        load_preprocessing(tmp_path / 'none.yaml')


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ("grippers: ['']", 'an empty word in grippers'),
        ('segmentation: {min_length: .inf}', 'min_length inf s'),
        ('segmentation: {idle: {dwell: .inf}}', 'dwell inf'),
        ('quality: {bounds: {duration: {min: .nan}}}', 'got nan; allowed: numbers'),
        ('quality: {bounds: {duration: {max: .inf}}}', 'got inf; allowed: numbers'),
        ('quality: {outcomes: [won]}', "no outcome 'won'; allowed: success, failure"),
    ],
)
def test_settings_that_can_mean_nothing_are_refused_where_they_are_read(tmp_path, text, error):
    (tmp_path / 's.yaml').write_text(text)
    with pytest.raises(DatasetError, match=rf's\.yaml.*{error}'):
        load_preprocessing(tmp_path / 's.yaml')
