"""Subscriptions that go on being served while a callback of their node blocks."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from rclpy.qos import QoSProfile

from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.shielded_node import ShieldedNode
from il_ros.ros.spin import WAKE, make_executor

T = TypeVar('T')


class BackgroundSubscriptions:
    """Subscriptions on a hidden node with a thread of its own, as tf2's listener has one.

    A service that waits for messages blocks its node's executor; awaiting them in a coroutine
    would keep a core busy, because rclpy resumes a pending coroutine over and over. Callbacks run
    in the intake's thread: what they share with the owner needs a lock.

    Args:
        owner: The node that the subscriptions belong to; its remappings apply.

    Attributes:
        node: The hidden node.
    """

    def __init__(self, owner: ManagedNode) -> None:
        self._owner = owner
        self.node = ShieldedNode(
            f'{owner.get_name()}_intake',
            namespace=owner.get_namespace(),
            context=owner.context,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._executor = make_executor()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, name='intake', daemon=True)

    def subscribe(
        self,
        kind: Any,
        topic: str,
        callback: Callable[[Any], None],
        qos: QoSProfile,
        **options: Any,
    ) -> Any:
        """Subscribe to a relative topic of the owner, as `Node.create_subscription` does.

        To be called before `start`, or in the intake's thread; that is also where the subscription
        may be destroyed, as none of its callbacks runs then.
        """
        # An absolute name was resolved before: remapping it again could lead elsewhere.
        name = topic if topic.startswith('/') else self._owner.resolve_topic_name(topic)
        return self.node.create_subscription(kind, name, callback, qos, **options)

    def call(self, work: Callable[[], T], timeout: float) -> T | None:
        """Do something in the intake's thread; gives its result, none if that took too long."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except Exception as problem:
                done.set_exception(problem)

        self._executor.create_task(run)
        try:
            return done.result(timeout)
        except TimeoutError:
            return None

    def every(self, period: float, work: Callable[[], None]) -> None:
        """Do something in the intake's thread again and again [s of the machine's clock]."""
        steady_timer(self.node, period, work)

    def start(self) -> None:
        """Begin to serve the subscriptions."""
        self._executor.add_node(self.node)
        self._thread.start()

    def close(self) -> None:
        """End the thread and the subscriptions."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5 * WAKE)
        self.node.destroy_node()
        if not self._thread.is_alive():  # else it would wait for a callback that blocks
            self._executor.shutdown()  # it holds the node, and with that the DDS participant

    def _spin(self) -> None:
        try:
            while not self._closing.is_set():
                self._executor.spin_once(timeout_sec=WAKE)
        except Exception:  # a node that no longer hears must not look alive
            self._owner.get_logger().fatal(f'the node ends:\n{traceback.format_exc()}')
            self._owner.exit_code = 1
