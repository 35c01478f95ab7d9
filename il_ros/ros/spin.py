"""Running one node as a process: executor, signals, exit code."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import NoReturn

import rclpy
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from il_ros.core.errors import IlRosError, printable
from il_ros.ros.managed_node import ManagedNode

_ANSWERS = 10
WAKE = 0.1  # s; Python sees a signal at the latest this long after it came


def share_profile() -> None:
    """Give Fast DDS 2 (Jazzy) the profile by the name that it knows the variable by."""
    profile = os.environ.get('FASTDDS_DEFAULT_PROFILES_FILE')
    if profile and version('rclpy').startswith('7.'):
        os.environ.setdefault('FASTRTPS_DEFAULT_PROFILES_FILE', profile)


def make_executor(context: rclpy.Context | None = None) -> Executor:
    """The events executor: about a third of the single-threaded one's processor time.

    It does not await coroutine callbacks in Jazzy, and keeps a core busy while it awaits them in
    Kilted; there are none in this package. Jazzy has it from rclpy 7.1.4 on.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor(context=context)
    return EventsExecutor(context=context)


def run_node(factory: Callable[[], ManagedNode]) -> NoReturn:
    """Run one node until SIGINT, SIGTERM, or its own end; then end the process.

    A node ends itself by setting `exit_code` (see ManagedNode).
    """
    end_process(_spin(factory))


def end_process(code: int) -> NoReturn:
    """End this process as `Py_FinalizeEx` does, but leave its modules to the operating system.

    With torch loaded, taking them apart needs 0.6 s of processor time and more, up to 10 s on a
    loaded machine, and a launch kills a node that is slow to end. As ever, threads and pools are
    waited for, exit handlers run (those of multiprocessing, logging, temporary folders, coverage),
    and output is flushed. Destructors of what still exists do not run: a node lets go of what it
    owns in `release`.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # multiprocessing ends its forks like this
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nothing reads it any more, or it is closed
            stream.flush()
    os._exit(code)


def _spin(factory: Callable[[], ManagedNode]) -> int:
    """Run one node to its end; gives the exit code.

    Shutdown goes one way: the loop ends, the node's `destroy_node` releases what it owns, then
    goes the executor, which holds the node's handles, and the context last. With the last handle
    goes the DDS participant; if it stayed, others would see the node until its lease ends (20 s).
    """
    stopped = threading.Event()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    share_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node: ManagedNode | None = None
    executor: Executor | None = None
    try:
        node = factory()
        node.stopped = stopped
        executor = make_executor()
        executor.add_node(node)
        # All that is imported stays: to look through it for garbage stops a node for 0.2 s.
        gc.freeze()
        while not stopped.is_set() and node.exit_code is None:
            # Not `spin_once`: to return after every event costs a quarter of what an event does.
            executor.spin_until_future_complete(Future(), WAKE)
        stopped.set()
        node.wind_down()
        for _ in range(_ANSWERS):  # what the end has to tell a waiting client
            executor.spin_once(timeout_sec=0.0)
        return node.exit_code or 0
    except (IlRosError, InvalidParameterTypeException) as problem:  # rclpy's own is use_sim_time
        print(printable(f'error: {problem}'), file=sys.stderr, flush=True)
        return 2
    finally:
        if node is not None:
            node.destroy_node()
        if executor is not None:
            executor.shutdown()
        rclpy.try_shutdown()
