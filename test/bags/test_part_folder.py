"""The lock and the reserve of a folder that is being recorded into."""

import os
import shlex
from pathlib import Path

import pytest

from il_ros.bags.part_folder import (
    command,
    is_locked,
    leave,
    lock,
    part_of,
    release,
    reserve,
    whole_path,
)


def test_only_one_holds_a_lock_and_it_ends_with_its_descriptor(tmp_path):
    path = tmp_path / 'lock'
    assert not is_locked(tmp_path)  # nobody has made it yet
    held = lock(path)
    assert is_locked(tmp_path)
    with pytest.raises(BlockingIOError):
        lock(path)
    os.close(held)
    assert not is_locked(tmp_path)
    os.close(lock(path, wait=True))


def test_a_lock_that_is_refused_leaves_no_open_file(tmp_path):
    held = lock(tmp_path / 'lock')
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            lock(tmp_path / 'lock')
        is_locked(tmp_path)
    assert len(os.listdir('/proc/self/fd')) == before
    os.close(held)


def test_a_folder_is_locked_as_a_file_is_and_not_written_to(tmp_path):
    held = lock(tmp_path)
    with pytest.raises(BlockingIOError):
        lock(tmp_path)
    os.close(held)
    assert list(tmp_path.iterdir()) == []


def test_the_reserve_takes_its_bytes_once_and_gives_them_back(tmp_path):
    reserve(tmp_path, 5000)
    assert (tmp_path / 'reserve').stat().st_blocks * 512 >= 5000
    with pytest.raises(FileExistsError):
        reserve(tmp_path, 5000)
    release(tmp_path)
    release(tmp_path)
    reserve(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_hidden_folder_goes_only_when_nothing_else_is_in_it(tmp_path):
    part = part_of(tmp_path / 'one')
    assert part == tmp_path / '.one.part'
    part.mkdir()
    (part / 'notes').touch()
    os.close(lock(part / 'lock'))
    reserve(part, 10)
    with pytest.raises(OSError, match='not empty'):
        leave(part)
    (part / 'notes').unlink()
    leave(part)
    assert not part.exists()


@pytest.mark.parametrize('name', ['a b', "it's", 'a;rm -rf b', '$HOME', 'ø', '-x', 'a\nb'])
def test_a_command_gives_back_its_words_in_a_shell(name):
    assert shlex.split(command('il_ros', 'bags', Path('/x') / name)) == [
        'il_ros', 'bags', f'/x/{name}'
    ]  # fmt: skip


def test_a_path_given_from_inside_has_a_name(tmp_path, monkeypatch):
    (tmp_path / 'bag').mkdir()
    monkeypatch.chdir(tmp_path / 'bag')
    assert whole_path(Path('.')).name == 'bag'
    assert whole_path(Path('../bag')).name == 'bag'
    assert whole_path(Path('x/..')) == (tmp_path / 'bag').resolve()
