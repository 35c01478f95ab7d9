from __future__ import annotations

import os
import queue
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from il_ros.launching.child_process import Grace, ProcessError, log_directory, print_line
from il_ros.launching.process_supervisor import ProcessSupervisor

QUICK = Grace(terminate=0.2, kill=0.4, give_up=1.4)


class Lines:
    """A sink whose lines a test can wait for."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[str, str]] = queue.Queue()

    def __call__(self, name: str, line: str) -> None:
        self._queue.put((name, line))

    def until(self, wanted: Callable[[str], bool]) -> str:
        while True:
            line = self._queue.get(timeout=20)[1]
            if wanted(line):
                return line

    def rest(self) -> list[str]:
        return [self._queue.get_nowait()[1] for _ in range(self._queue.qsize())]


def python(code: str) -> list[str]:
    return [sys.executable, '-u', '-S', '-c', textwrap.dedent(code)]


def sleeper(ignored: str = '') -> list[str]:
    """Prints 'ready <pid>' once `ignored` signals are ignored, then sleeps."""
    return python(
        f"""
        import os, signal, time
        for name in {ignored.split()!r}:
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        print('ready', os.getpid())
        time.sleep(100)
        """
    )


def ready(lines: Lines) -> int:
    return int(lines.until(lambda line: line.startswith('ready')).split()[1])


def ended(pid: int, timeout: float = 10.0) -> bool:
    """Tell whether a process that need not be our child ends in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], timeout)[0])
    finally:
        os.close(descriptor)


def test_lines_carry_the_name_and_errors_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessSupervisor(sink=print_line) as supervisor:
        supervisor.start(
            'left/arm', ['sh', '-c', 'echo one; echo two >&2; printf three'], expect='success'
        )
        assert supervisor.wait(20) == 0
    assert capsys.readouterr().out == '[left/arm] one\n[left/arm] two\n[left/arm] three\n'


def test_bytes_that_are_no_text_are_shown_as_far_as_they_go() -> None:
    lines = Lines()
    with ProcessSupervisor(sink=lines) as supervisor:
        supervisor.start('raw', ['printf', 'a\\377b\\n'], expect='success')
        supervisor.wait(20)
    assert lines.rest() == ['a\N{REPLACEMENT CHARACTER}b']


def test_a_closed_terminal_does_not_block_a_child() -> None:
    def closed(_name: str, _line: str) -> None:
        raise BrokenPipeError

    with ProcessSupervisor(sink=closed) as supervisor:
        supervisor.start('loud', ['sh', '-c', 'yes | head -n 100000'], expect='success')
        assert supervisor.wait(20) == 0


def test_logs_go_to_one_file_a_child(tmp_path: Path) -> None:
    with ProcessSupervisor(sink=log_directory(tmp_path / 'log')) as supervisor:
        supervisor.start('left/arm', ['echo', 'first'], expect='success')
        supervisor.start('left/arm', ['echo', 'second'], expect='success')
        supervisor.wait(20)
    assert (tmp_path / 'log' / 'left.arm.log').read_text() == 'first\n'
    assert (tmp_path / 'log' / 'left.arm-2.log').read_text() == 'second\n'


def test_children_get_the_environment_and_no_input() -> None:
    lines = Lines()
    with ProcessSupervisor(sink=lines) as supervisor:
        argv = ['/bin/sh', '-c', 'echo "$ROBOT"; cat']
        supervisor.start('sh', argv, env={'ROBOT': 'left'}, expect='success')
        assert supervisor.wait(20) == 0
    assert lines.rest() == ['left']


def test_leaving_the_context_interrupts_children_once() -> None:
    lines = Lines()
    code = """
        import os, time
        try:
            print('ready', os.getpid())
            time.sleep(100)
        except KeyboardInterrupt:
            print('closing the bag')
            time.sleep(0.1)
            print('closed')
    """
    with ProcessSupervisor(sink=lines) as supervisor:
        child = supervisor.start('recorder', python(code))
        ready(lines)
        begin = time.monotonic()
    assert time.monotonic() - begin < 1.4
    assert child.returncode == 0
    assert lines.rest() == ['closing the bag', 'closed']
    assert supervisor.failed is None


def test_sigterm_ends_what_ignores_sigint_and_sigkill_what_ignores_both() -> None:
    lines = Lines()
    with ProcessSupervisor(sink=lines, grace=QUICK) as supervisor:
        deaf = supervisor.start('deaf', sleeper('SIGINT'))
        deafer = supervisor.start('deafer', sleeper('SIGINT SIGTERM'))
        ready(lines)
        ready(lines)
    assert (deaf.returncode, deafer.returncode) == (-signal.SIGTERM, -signal.SIGKILL)
    assert deaf.describe_end() == 'deaf was ended by signal 15 (Terminated)'


def test_everything_has_ended_within_three_seconds() -> None:
    lines = Lines()
    with ProcessSupervisor(sink=lines) as supervisor:
        child = supervisor.start('deaf', sleeper('SIGINT SIGTERM'))
        ready(lines)
        begin = time.monotonic()
    assert 2.4 < time.monotonic() - begin < 3.3
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize('ignored', ['', 'SIGINT SIGTERM'])
def test_grandchildren_end_too(ignored: str) -> None:
    lines = Lines()
    code = f'import subprocess; subprocess.run({sleeper(ignored)!r})'
    with ProcessSupervisor(sink=lines, grace=QUICK) as supervisor:
        child = supervisor.start('parent', python(code))
        pid = ready(lines)
        assert pid != child.pid
    assert ended(pid, 1)  # killed, and about to be gone


def test_a_grandchild_has_its_grace_when_its_parent_goes_first() -> None:
    lines = Lines()
    # The pipe from parent to grandchild ends when the parent does.
    inner = """
        import os, signal, sys
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print('ready', os.getpid())
        sys.stdin.read()
        print('tidied up')
    """
    code = f"""
        import signal, subprocess
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        subprocess.Popen({python(inner)!r}, stdin=subprocess.PIPE).wait()
    """
    with ProcessSupervisor(sink=lines) as supervisor:
        parent = supervisor.start('parent', python(code))
        pid = ready(lines)
    assert parent.returncode == -signal.SIGINT
    assert ended(pid, 1)  # killed, and about to be gone
    assert lines.rest() == ['tidied up']


def test_what_a_finished_child_left_running_is_ended() -> None:
    lines = Lines()
    code = f'import subprocess; subprocess.Popen({sleeper()!r}, stderr=subprocess.DEVNULL)'
    with ProcessSupervisor(sink=lines) as supervisor:
        child = supervisor.start('starter', python(code), expect='success')
        assert child.wait(20) == 0
        for line in lines.rest():  # it may not have come to print its line
            assert ended(int(line.split()[1]), 1)


@pytest.mark.parametrize(
    ('script', 'expect', 'code', 'text'),
    [
        ('exit 7', 'running', 7, 'node ended with exit code 7'),
        ('exit 0', 'running', 1, 'node ended with exit code 0'),
        ('exit 7', 'success', 7, 'node ended with exit code 7'),
        ('kill -SEGV $$', 'running', 139, 'node was ended by signal 11 (Segmentation fault)'),
    ],
)
def test_an_unexpected_end_ends_the_rest(script: str, expect: str, code: int, text: str) -> None:
    lines = Lines()
    with ProcessSupervisor(sink=lines) as supervisor:
        other = supervisor.start('other', sleeper())
        ready(lines)
        supervisor.check()
        supervisor.start('node', ['sh', '-c', script], expect=expect)  # type: ignore[arg-type]
        assert supervisor.wait(20) == code
        assert other.returncode == -signal.SIGINT
        failed = supervisor.failed
        assert failed is not None
        assert failed.describe_end() == text
        with pytest.raises(ProcessError) as error:
            supervisor.check()
        assert str(error.value) == f'{text}; to fix: see its output'
        with pytest.raises(ProcessError) as error:
            supervisor.start('late', ['true'])
        assert str(error.value) == f'late: {text}'


@pytest.mark.parametrize(('script', 'expect'), [('exit 0', 'success'), ('exit 7', 'anything')])
def test_an_expected_end_leaves_the_rest(script: str, expect: str) -> None:
    lines = Lines()
    with ProcessSupervisor(sink=lines) as supervisor:
        other = supervisor.start('other', sleeper())
        ready(lines)
        job = supervisor.start('job', ['sh', '-c', script], expect=expect)  # type: ignore[arg-type]
        assert job.wait(20) is not None
        assert supervisor.failed is None
        assert other.returncode is None
        assert other.describe_end() == 'other is running'
        assert supervisor.wait(0) is None


def test_nothing_to_wait_for_is_success() -> None:
    with ProcessSupervisor() as supervisor:
        assert supervisor.wait() == 0


def test_a_command_that_is_not_there_is_named() -> None:
    with ProcessSupervisor() as supervisor, pytest.raises(ProcessError) as error:
        supervisor.start('arm', ['/no/such/thing'])
    text = "arm: '/no/such/thing' cannot be started: No such file or directory"
    assert str(error.value) == text


def test_starting_from_another_thread_is_refused() -> None:
    errors: list[str] = []

    def start() -> None:
        try:
            supervisor.start('arm', ['true'])
        except ProcessError as error:
            errors.append(str(error))

    with ProcessSupervisor() as supervisor:
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
    assert errors == ['arm: started from another thread than its supervisor']


def test_no_zombies_and_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ProcessSupervisor(sink=Lines()) as supervisor:
        children = [supervisor.start('job', ['true'], expect='success') for _ in range(5)]
        assert supervisor.wait(20) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    for child in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(child.pid, os.WNOHANG)


PARENT = """
from il_ros.launching.process_supervisor import ProcessSupervisor
with ProcessSupervisor() as supervisor:
    supervisor.start('deaf', {argv!r})
    supervisor.wait()
"""


def supervised(argv: list[str]) -> tuple[subprocess.Popen[str], int]:
    code = PARENT.format(argv=argv)
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert parent.stdout is not None
    line = parent.stdout.readline()
    assert line.startswith('[deaf] ready')
    return parent, int(line.split()[2])


@pytest.mark.parametrize(
    ('number', 'code'),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_children_do_not_outlive_a_supervisor(number: signal.Signals, code: int) -> None:
    ignored = 'SIGINT SIGTERM' if number == signal.SIGKILL else 'SIGINT'
    parent, child = supervised(sleeper(ignored))
    with parent:
        parent.send_signal(number)
        assert parent.wait(20) == code
        assert ended(child)


def test_further_interrupts_do_not_disturb_a_shutdown() -> None:
    parent, child = supervised(sleeper('SIGINT'))
    with parent:
        for _ in range(3):
            parent.send_signal(signal.SIGINT)
        assert parent.wait(20) == 130
        assert ended(child)
