"""Videos next to a report: which there are, and that none is of another episode."""

import pytest

from il_ros.core.errors import EvaluationError, IlRosError
from il_ros.evaluation.report_videos import (
    EpisodeVideo,
    fingerprint,
    read_videos,
    video_name,
    write_videos,
)


def video(file, text='seen'):
    return EpisodeVideo(episode='f' * 64, file=file, text=text)


def test_what_is_written_is_read(tmp_path):
    videos = {'nominal_1': video('nominal_1.webp'), 'ood_2': video('', 'No video: "why" \u2026')}
    write_videos(tmp_path, videos, {'nominal_1.webp': b'pictures'})
    assert read_videos(tmp_path) == videos
    assert (tmp_path / 'videos/nominal_1.webp').read_bytes() == b'pictures'


def test_nothing_is_there_before_the_first(tmp_path):
    assert read_videos(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_longer_shown_goes(tmp_path):
    write_videos(tmp_path, {'a_1': video('a_1.webp')}, {'a_1.webp': b'one'})
    write_videos(tmp_path, {'b_2': video('b_2.webp')}, {'b_2.webp': b'two'})
    assert sorted(path.name for path in (tmp_path / 'videos').iterdir()) == [
        'b_2.webp',
        'videos.json',
    ]


def test_a_video_whose_file_is_gone_is_not_there(tmp_path):
    write_videos(tmp_path, {'a_1': video('a_1.webp'), 'b_2': video('')}, {'a_1.webp': b'one'})
    (tmp_path / 'videos/a_1.webp').unlink()
    assert list(read_videos(tmp_path)) == ['b_2']


@pytest.mark.parametrize(
    'text', ['', '{', '[]', '{"videos": {"a_1": {"file": "x"}}}', '{"videos": 3}', '\xff']
)
def test_a_damaged_list_says_what_to_do(tmp_path, text):
    (tmp_path / 'videos').mkdir()
    (tmp_path / 'videos/videos.json').write_bytes(text.encode('latin-1'))
    with pytest.raises(EvaluationError, match=r'videos\.json: cannot be read: ') as caught:
        read_videos(tmp_path)
    assert f'delete the folder {tmp_path / "videos"}' in str(caught.value)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / 'videos').write_text('a file')
    with pytest.raises(IlRosError, match='cannot be written: '):
        write_videos(tmp_path, {}, {})


def test_names_are_of_suite_and_seed_and_the_fingerprint_of_all(episode):
    one, other = episode('ood', 7, success=False), episode('ood', 7, success=False, progress=0.51)
    assert video_name(one) == video_name(other) == 'ood_7'
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(episode('ood', 7, success=False))
