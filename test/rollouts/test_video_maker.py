"""Videos show the evaluated episode, or the caption says why there is none."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.rollouts import video_maker
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.in_process_evaluator import run_case
from il_ros.rollouts.rollout_pool import EpisodeSetup
from il_ros.rollouts.video_maker import CLOSE, VideoConfig, VideoMaker, command_distance, difference
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.scene_cameras import OpenGl

SMALL = VideoConfig(count=2, width=32, height=24, rate=2.0, renderer='rays')
SETUP = EpisodeSetup(
    contract=Path('config/contracts/franka_reach.yaml'),
    task='reach',
    expert='hold',
    safety_filter='limits',
)
LOST = {'joints_lost': (Perturbation(kind='sensor_dropout', target='joint_position', start=1.0),)}
PERIOD = 0.05


@pytest.fixture(scope='module')
def runner():
    return SETUP.make_runner()


@pytest.fixture(scope='module')
def failed(runner):
    """An episode in which the heuristic holds still until the time limit."""
    return run_case(runner, suite='nominal', task='reach', case=EpisodeCase(seed=300_001))


@pytest.fixture(scope='module')
def again(runner):
    return runner.run(300_001)


@pytest.fixture(scope='module')
def lost(runner):
    """An episode in which the monitor no longer receives the joints."""
    (name, perturbations), *_ = LOST.items()
    case = EpisodeCase(seed=400_002, name=name, perturbations=perturbations)
    return run_case(runner, suite='nominal', task='reach', case=case)


def make_maker(exact=True, **changes):
    return VideoMaker({'nominal': SETUP}, LOST, exact=exact, config=replace(SMALL, **changes))


def frames(path):
    found, video = cv2.imreadanimation(str(path))
    assert found
    return video.frames, video.durations


def test_a_failure_is_recorded_from_start_to_end(failed, lost, tmp_path):
    made = make_maker().make_videos(tmp_path, [failed, lost])
    assert made.missing == ''
    assert {name: video.text for name, video in made.by_name.items()} == dict.fromkeys(
        ['nominal_300001', 'nominal_400002'],
        'Repetition: every command is the same, and it ends alike; images by rays.',
    )
    for episode in (failed, lost):
        images, durations = frames(tmp_path / f'videos/nominal_{episode.seed}.webp')
        assert {image.shape[:2] for image in images} == {(24, 32)}
        assert sum(durations) == pytest.approx(
            1e3 * (episode.duration + SMALL.rest), abs=len(images)
        )
    # Without frames there is nothing to take an image at: the last one before stays.
    assert lost.fallback
    assert max(durations[:-1]) > 500


def test_what_was_recorded_is_not_recorded_again(failed, tmp_path, monkeypatch):
    made = make_maker().make_videos(tmp_path, [failed])

    def refuse(*_, **__):
        raise AssertionError('recorded again')

    monkeypatch.setattr(video_maker, 'repeat_episode', refuse)
    assert make_maker().make_videos(tmp_path, [failed]) == made
    # Of the same name but another run: it has to be made anew.
    with pytest.raises(AssertionError, match='recorded again'):
        make_maker().make_videos(tmp_path, [replace(failed, progress=0.123)])


@pytest.mark.parametrize(
    ('changes', 'what'),
    [
        ({'success': True, 'violations': {'force': 1}}, 'success, violations'),
        ({'fallback': True, 'fallback_time': 1.0}, 'stop by the monitor'),
        ({'duration': 1.0}, 'duration'),
        ({'progress': 0.9}, 'progress'),
    ],
)
def test_another_episode_is_not_shown(failed, tmp_path, changes, what):
    made = make_maker().make_videos(tmp_path, [replace(failed, **changes)])
    (video,) = made.by_name.values()
    assert video.text == f'No video: the repetition differs in {what}.'
    assert video.file == ''
    assert [path.name for path in (tmp_path / 'videos').iterdir()] == ['videos.json']


def test_over_a_graph_commands_may_be_a_little_off(failed, tmp_path):
    near = replace(failed, joints=failed.joints + 0.0004)
    (video,) = make_maker(exact=False).make_videos(tmp_path, [near]).by_name.values()
    assert (
        video.text
        == 'Repetition: commands are within 0.4 mrad or mm, and it ends alike; images by rays.'
    )
    assert video.file
    (video,) = make_maker().make_videos(tmp_path / 'exact', [near]).by_name.values()
    assert video.text.endswith('the repetition differs in commands.')


@settings(max_examples=50, deadline=None)
@given(
    tick=st.integers(0, 20),
    joint=st.integers(0, 7),
    off=st.floats(-1, 1).filter(lambda off: abs(off) > 1e-12),
)
def test_a_single_other_command_is_another_episode(failed, again, tick, joint, off):
    joints = failed.joints.copy()
    joints[tick, joint] += off
    judged = replace(failed, joints=joints)
    moved = abs(joints[tick, joint] - failed.joints[tick, joint])
    assert difference(judged, again, PERIOD, exact=True) == 'commands'
    assert difference(judged, again, PERIOD, exact=False) == ('commands' if moved > CLOSE else '')
    assert command_distance(judged, again, PERIOD) == pytest.approx(moved)


def test_missing_commands_count_as_a_difference(failed, again):
    judged = replace(failed, joints=np.zeros((0, 0)))
    assert np.isnan(command_distance(judged, again, PERIOD))
    assert difference(judged, again, PERIOD, exact=False) == 'commands'


def test_without_images_the_report_says_why(failed, tmp_path, monkeypatch):
    monkeypatch.setattr(OpenGl, '_missing', 'no EGL')
    made = make_maker(renderer='opengl').make_videos(tmp_path, [failed])
    assert made.missing.startswith('camera: no image can be rendered: OpenGL is missing (no EGL)')
    assert (
        make_maker(camera='side')
        .make_videos(tmp_path, [failed])
        .missing.startswith("unknown camera 'side'; allowed: front, wrist")
    )
    assert make_maker(count=0).make_videos(tmp_path, [failed]).missing == 'they were not asked for'
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_went_wrong_nothing_is_written(failed, tmp_path):
    solved = replace(failed, success=True, violations={})
    assert make_maker().make_videos(tmp_path, [solved]).by_name == {}
    assert list(tmp_path.iterdir()) == []
