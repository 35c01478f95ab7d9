import errno
import os
import socket

import pytest

from il_ros.core.config import read_json, read_yaml
from il_ros.core.errors import IlRosError
from il_ros.core.regular_files import open_regular, read_regular, read_text, require_regular


def fifo(path):
    os.mkfifo(path)


def link_to_a_device(path):
    path.symlink_to('/dev/zero')


def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # a socket's name is short


def link_to_itself(path):
    path.symlink_to(path)


def giant(path):
    path.touch()
    os.truncate(path, 8 << 30)  # sparse: it takes no room


NO_FILES = {
    fifo: 'a FIFO, not a regular file',
    link_to_a_device: 'a device, not a regular file',
    listening: 'a socket, not a regular file',
    os.mkdir: 'Is a directory',
    link_to_itself: 'Too many levels of symbolic links',
    giant: '8589934592 bytes, at most 268435456 are read',
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(('make', 'text'), NO_FILES.items())
def test_what_is_no_file_of_bounded_size_is_refused_at_once(tmp_path, monkeypatch, make, text):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'x'
    make(path)
    for read in (read_text, lambda path: open_regular(path, 256 << 20)):
        with pytest.raises(OSError, match=text) as caught:
            read(path)
        assert caught.value.filename == str(path)
    for read in (read_yaml, read_json):
        with pytest.raises(IlRosError, match=rf'x: cannot be read: {text}'):
            read(path)


@pytest.mark.parametrize('name', ['a\0b', '\ud800'])
def test_a_name_that_no_file_can_have_is_answered_like_a_missing_one(name):
    with pytest.raises(OSError, match='no file has such a name'):
        require_regular(name)


def test_a_file_that_is_replaced_before_it_is_opened_is_looked_at_again(tmp_path, monkeypatch):
    path = tmp_path / 'x'
    path.write_bytes(b'abc')
    opened = os.open

    def replace_first(*args):
        path.unlink()
        os.mkfifo(path)
        return opened(*args)

    monkeypatch.setattr(os, 'open', replace_first)
    with pytest.raises(OSError, match='a FIFO, not a regular file'):
        open_regular(path)


def test_a_file_of_the_allowed_size_is_read_as_it_is(tmp_path):
    path = tmp_path / 'x'
    path.write_bytes(b'a\r\n\xc3\xa9')
    assert require_regular(path, 5) == 5
    assert read_regular(path, 5) == b'a\r\n\xc3\xa9'
    assert read_text(path, 5) == 'a\né'
    with pytest.raises(OSError, match='5 bytes, at most 4 are read') as caught:
        read_regular(path, 4)
    assert caught.value.errno == errno.EFBIG


def test_a_file_that_does_not_say_its_size_is_read_up_to_the_limit():
    assert os.stat('/proc/self/status').st_size == 0
    with pytest.raises(OSError, match='101 bytes, at most 100 are read'):
        read_regular('/proc/self/status', 100)
