"""Running one node as a process: executor, signals, exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version

import rclpy
from rclpy.executors import Executor
from rclpy.experimental import EventsExecutor
from rclpy.signals import SignalHandlerOptions

from il_ros.core.errors import IlRosError
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
    Kilted; there are none in this package.
    """
    return EventsExecutor(context=context)


def run_node(factory: Callable[[], ManagedNode]) -> int:
    """Run one node until SIGINT, SIGTERM, or its own end; gives the exit code.

    A node ends itself by setting `exit_code` (see ManagedNode). Shutdown goes one way: the loop
    ends, the node's `destroy_node` releases what it owns, and the context goes last.
    """
    stopped = threading.Event()

    share_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    node: ManagedNode | None = None
    try:
        node = factory()
        node.stopped = stopped
        executor = make_executor()
        executor.add_node(node)
        while not stopped.is_set() and node.exit_code is None:
            executor.spin_once(timeout_sec=WAKE)
        stopped.set()
        node.wind_down()
        for _ in range(_ANSWERS):  # what the end has to tell a waiting client
            executor.spin_once(timeout_sec=0.0)
        return node.exit_code or 0
    except IlRosError as problem:
        print(f'error: {problem}', file=sys.stderr, flush=True)
        return 2
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
