"""Frames are found in a video by their time, or not at all."""

import numpy as np
import pytest

from il_ros.core.errors import DatasetError
from il_ros.interop.mp4_files import VideoFile, frames_at

av = pytest.importorskip('av')


def shade(i):
    return np.full((16, 32), 20 + 7 * i, np.uint8)


@pytest.fixture(params=[20.0, 29.97, 12.5])
def video(request, tmp_path):
    """A video of 24 frames, each of another grey, and its rate."""
    file = VideoFile(tmp_path / 'folder' / 'a.mp4', request.param, (16, 32))
    for i in range(24):
        file.add(shade(i) if i % 2 else np.repeat(shade(i)[..., None], 3, axis=2))
    assert file.seconds == pytest.approx(24 / request.param, rel=1e-4)
    file.close()
    return file.path, request.param


@pytest.mark.parametrize(('first', 'count'), [(0, 24), (0, 1), (1, 2), (7, 9), (23, 1)])
def test_every_clip_is_its_own_frames(video, first, count):
    path, rate = video
    found = list(frames_at(path, first / rate, count, rate))
    assert [frame.shape for frame in found] == [(16, 32, 3)] * count
    greys = [frame.mean() for frame in found]
    np.testing.assert_allclose(greys, [shade(first + i).mean() for i in range(count)], atol=3)


def test_a_time_is_rounded_as_a_float32_rounds_it(video):
    path, rate = video
    (frame,) = frames_at(path, float(np.float32(11 / rate)), 1, rate)
    assert frame.mean() == pytest.approx(shade(11).mean(), abs=3)


@pytest.mark.parametrize(('first', 'count'), [(0, 25), (23, 2), (24, 1), (900, 1), (-3, 1)])
def test_a_frame_that_is_not_there_is_named_by_its_time(video, first, count):
    path, rate = video
    with pytest.raises(DatasetError, match=r'a\.mp4: no frame at .* s; to fix: get it again'):
        list(frames_at(path, first / rate, count, rate))


@pytest.mark.parametrize('keep', [0, 30, 600])
def test_a_video_cut_short_is_an_error(video, keep):
    path, rate = video
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r'a\.mp4: '):
        list(frames_at(path, 0.0, 24, rate))


def test_a_video_without_pictures_is_an_error(tmp_path):
    (tmp_path / 'a.mp4').write_text('no video')
    with pytest.raises(DatasetError, match=r'a\.mp4: cannot be read: .*; allowed: a video'):
        list(frames_at(tmp_path / 'a.mp4', 0.0, 1, 20.0))
    with pytest.raises(DatasetError, match='cannot be read'):
        list(frames_at(tmp_path / 'none.mp4', 0.0, 1, 20.0))


@pytest.mark.parametrize('size', [(15, 32), (16, 31)])
def test_an_odd_size_is_refused_before_a_file_is_made(tmp_path, size):
    with pytest.raises(DatasetError, match='even sizes in a video; to fix: export with images=i'):
        VideoFile(tmp_path / 'folder' / 'a.mp4', 20.0, size)
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_is_given_up_can_be_closed_at_any_time(tmp_path):
    for frames in range(3):
        file = VideoFile(tmp_path / f'{frames}.mp4', 20.0, (16, 32))
        for i in range(frames):
            file.add(shade(i))
        file.close(whole=False)
        file.close(whole=False)
