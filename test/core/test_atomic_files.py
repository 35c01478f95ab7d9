import errno
import os
from pathlib import Path

import pytest

from il_ros.core.atomic_files import new_file, writable_folder, write_alone, write_atomic
from il_ros.core.errors import IlRosError


def test_text_is_written_as_utf8_and_bytes_as_they_are(tmp_path):
    assert write_atomic(tmp_path / 'a.txt', 'é\n').read_bytes() == 'é\n'.encode()
    assert write_atomic(str(tmp_path / 'b.bin'), b'\x00\xff').read_bytes() == b'\x00\xff'


def test_makes_parent_folders_and_leaves_only_the_file(tmp_path):
    path = write_atomic(tmp_path / 'new' / 'folder' / 'a.txt', 'x')
    assert os.listdir(path.parent) == ['a.txt']


def test_replaces_an_older_file(tmp_path):
    path = tmp_path / 'a.txt'
    write_atomic(path, 'a much longer old text')
    write_atomic(path, 'new')
    assert path.read_text() == 'new'


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        path = write_atomic(tmp_path / 'a.txt', 'x')
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_interrupted_write_keeps_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = write_atomic(tmp_path / 'a.txt', 'old')

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, 'new')
    assert os.listdir(tmp_path) == ['a.txt']
    assert path.read_text() == 'old'


def test_renames_only_what_is_already_on_disk(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda fd: (calls.append('fsync'), fsync(fd)))
    monkeypatch.setattr(os, 'replace', lambda a, b: (calls.append('replace'), replace(a, b)))
    write_atomic(tmp_path / 'a.txt', 'x')
    assert calls == ['fsync', 'replace', 'fsync']  # the file, the rename, its folder


def test_refusal_of_the_system_is_one_clear_error(tmp_path):
    (tmp_path / 'file').write_text('in the way')
    path = tmp_path / 'file' / 'a.txt'
    with pytest.raises(IlRosError) as caught:
        write_atomic(path, 'x')
    assert str(caught.value) == (
        f'{path}: cannot be written: File exists; '
        'to fix: choose a folder that you may write to, on a disk with room'
    )


def test_a_path_that_the_system_cannot_look_at_is_refused_as_well(tmp_path):
    # As a disk that does not answer, or a folder that may not be entered: `stat` fails already.
    with pytest.raises(IlRosError, match='cannot be written: File name too long'):
        write_atomic(tmp_path / ('x' * 300), 'x')
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    (tmp_path / 'a.txt').mkdir()
    with pytest.raises(IlRosError, match=r'a\.txt: cannot be written: Is a directory'):
        write_atomic(tmp_path / 'a.txt', 'x')
    assert os.listdir(tmp_path) == ['a.txt']


def test_a_path_without_a_name_is_refused_like_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IlRosError, match='cannot be written: Is a directory'):
        write_atomic('.', 'x')
    assert os.listdir(tmp_path) == []


def test_a_pipe_or_a_device_is_refused_and_stays_what_it_is(tmp_path, monkeypatch):
    """A rename would put a file in its place: /dev/null as a file harms every process."""
    monkeypatch.setattr(os, 'replace', lambda *_: pytest.fail('it was about to be replaced'))
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'link').symlink_to('pipe')
    for path in (tmp_path / 'pipe', tmp_path / 'link', Path(os.devnull), Path('/dev/absent')):
        with pytest.raises(IlRosError, match=f'{path}: not a file; to fix: name a file'):
            write_atomic(path, 'x')
    assert sorted(os.listdir(tmp_path)) == ['link', 'pipe']


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path):
    (tmp_path / 'old').write_text('old')
    for target in ('old', 'nowhere', 'link'):
        link = tmp_path / 'link'
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        write_atomic(link, 'new')
        assert not link.is_symlink()
        assert link.read_text() == 'new'
    assert (tmp_path / 'old').read_text() == 'old'


@pytest.mark.parametrize('problem', [OSError(errno.ENOSPC, 'No space left on device'), ValueError])
def test_an_error_while_the_file_is_filled_leaves_nothing(tmp_path, problem):
    path = write_atomic(tmp_path / 'a.txt', 'old')
    expected = IlRosError if isinstance(problem, OSError) else problem

    def fill():
        with new_file(path) as temporary:
            temporary.write_text('half')
            raise problem

    with pytest.raises(expected):
        fill()
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['a.txt']


def test_only_one_process_writes_until_its_file_is_closed(tmp_path):
    path = tmp_path / 'journal'
    with path.open('w') as first, path.open('w') as second:
        write_alone(first.fileno(), 'the journal')
        with pytest.raises(IlRosError, match='the journal: another process is writing here'):
            write_alone(second.fileno(), 'the journal')
        first.close()
        write_alone(second.fileno(), 'the journal')


def test_a_folder_that_can_be_written_is_made_and_stays_empty(tmp_path):
    (tmp_path / 'file').write_text('')
    for name in ('new/inner', 'new'):
        writable_folder(tmp_path / name)
    assert os.listdir(tmp_path / 'new/inner') == []
    for name in ('file', 'file/inner', 300 * 'n'):
        with pytest.raises(IlRosError, match=f'{name}: cannot be written: '):
            writable_folder(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ['file', 'new']


def test_a_folder_that_takes_no_file_is_refused(tmp_path, monkeypatch):
    def full(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr('tempfile.TemporaryFile', full)
    with pytest.raises(IlRosError, match='cannot be written: Read-only file system'):
        writable_folder(tmp_path)
