"""A terminal on a pty: keys one by one, and everything as it was afterwards."""

import os
import signal
import subprocess
import sys
import termios
import time
from contextlib import closing, contextmanager, suppress

import pytest

from il_ros.core.errors import IlRosError
from il_ros.experts.teleop.terminal import Terminal


@contextmanager
def pty():
    ours, theirs = os.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def modes(fd):
    return termios.tcgetattr(fd)[3]


def read(terminal, wanted):
    text, deadline = '', time.monotonic() + 10
    while len(text) < len(wanted):
        assert time.monotonic() < deadline
        text += terminal.read()
    return text


def test_keys_come_without_a_return_and_unseen():
    with pty() as (ours, theirs), closing(Terminal(theirs)) as terminal:
        assert terminal.read() == ''
        os.write(ours, 'wé '.encode())
        assert read(terminal, 'wé ') == 'wé '
        assert not modes(theirs) & (termios.ECHO | termios.ICANON)
        assert modes(theirs) & termios.ISIG


@pytest.mark.parametrize('error', [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_it_is_left_as_it_was_found_whatever_happens(error):
    with pty() as (_, theirs):
        before = termios.tcgetattr(theirs)
        with suppress(error or RuntimeError), closing(Terminal(theirs)):
            assert termios.tcgetattr(theirs) != before
            if error:
                raise error
        assert termios.tcgetattr(theirs) == before


def test_a_process_that_ends_without_closing_it_leaves_it_as_it_was():
    script = 'from il_ros.experts.teleop.terminal import Terminal; t = Terminal(0); raise OSError'
    with pty() as (_, theirs):
        before = termios.tcgetattr(theirs)
        done = subprocess.run(
            [sys.executable, '-c', script], stdin=theirs, check=False, capture_output=True
        )
        assert done.returncode == 1
        assert termios.tcgetattr(theirs) == before


def test_what_is_no_terminal_is_refused():
    reader, writer = os.pipe()
    with pytest.raises(IlRosError, match=r'keyboard: standard input is no terminal, so there are'):
        Terminal(reader)
    os.close(reader)
    os.close(writer)


def test_a_terminal_that_is_gone_says_so():
    ours, theirs = os.openpty()
    terminal = Terminal(theirs)
    os.close(ours)
    with pytest.raises(IlRosError, match=r'keyboard: the terminal is gone'):
        terminal.read()
    terminal.close()
    os.close(theirs)


def test_a_process_in_the_background_is_refused():
    """Its first look at the terminal would stop it, without a word."""
    script = """
import os, signal, sys
os.setsid()
ours, theirs = os.openpty()
import fcntl, termios
fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)  # a job of its own, which nobody has brought to the front
    from il_ros.core.errors import IlRosError
    from il_ros.experts.teleop.terminal import Terminal
    try:
        Terminal(theirs)
    except IlRosError as problem:
        os.write(1, str(problem).encode())
    os._exit(0)
os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, '-c', script], check=False, capture_output=True, timeout=30, text=True
    )
    assert done.stdout == (
        'keyboard: the terminal belongs to another process; '
        'to fix: start the node in the foreground'
    )
    assert done.returncode in (0, -signal.SIGHUP)
