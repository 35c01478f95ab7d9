"""Running one node as a process: executor, signals, exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from types import FrameType

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from il_ros.core.errors import IlRosError

_WAKE = 0.1  # s; Python sees a signal at the latest this long after it came


def make_executor() -> Executor:
    """The quickest executor of this rclpy that awaits coroutine callbacks.

    The events executor (Kilted and later) costs about a third of the processor time of the single
    threaded one; the one in Jazzy does not await coroutines, so there it is the latter.
    """
    try:
        major = int(version('rclpy').split('.')[0])
    except PackageNotFoundError:
        major = 0
    if major >= 9:
        from rclpy.experimental import EventsExecutor

        return EventsExecutor()
    return SingleThreadedExecutor()


def run_node(factory: Callable[[], Node], args: list[str] | None = None) -> int:
    """Run one node until SIGINT, SIGTERM, or its own end; gives the exit code.

    A node ends itself by setting `exit_code` (see ManagedNode). Shutdown goes one way: the loop
    ends, the node's `destroy_node` releases what it owns, and the context goes last.
    """
    stopped: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopped.append(number)

    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    node: Node | None = None
    try:
        node = factory()
        executor = make_executor()
        executor.add_node(node)
        while not stopped and getattr(node, 'exit_code', None) is None:
            executor.spin_once(timeout_sec=_WAKE)
        return getattr(node, 'exit_code', None) or 0
    except IlRosError as problem:
        print(f'error: {problem}', file=sys.stderr, flush=True)
        return 2
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
