"""The base of nodes that own a robot, a bag or a model."""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.timer import Timer

from il_ros.core.errors import IlRosError, printable
from il_ros.ros.deferred_service import DeferredService, SlowAnswer, refusal
from il_ros.ros.shielded_node import ShieldedNode

_NO_ARGUMENTS = inspect.Signature()


def steady_timer(node: Node, period: float, work: Callable[[], None]) -> Timer:
    """Do something again and again [s], by the steady clock: also while a simulation stands."""

    @wraps(work)  # it is told by its name
    def beat() -> None:
        work()

    # The executor asks for the signature at every beat, and working it out costs more than most
    # beats do.
    beat.__signature__ = _NO_ARGUMENTS  # type: ignore[attr-defined]
    return node.create_timer(period, beat, clock=Clock(clock_type=ClockType.STEADY_TIME))


class ManagedNode(ShieldedNode, LifecycleNode):  # type: ignore[misc]
    """A lifecycle node with one way up and one way down.

    A subclass fills in `configure`, `activate`, `deactivate` and `release`. Publishers,
    subscriptions, services, clients and timers made since `configure` began are destroyed after
    `release`, which has only the rest to let go of, whatever of it there is. An exception in a
    transition is logged and makes it fail (rclpy would swallow it). With the parameter `autostart`
    the node brings itself up, and ends with exit code 2 if it cannot.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.exit_code: int | None = None
        self.stopped = threading.Event()  # set when the process is to end
        self.active = False
        self.actions: list[Any] = []  # their servers, which end with the node
        self._deferred: list[DeferredService[Any]] = []
        self._kept: set[int] | None = None
        autostart = self.declare_parameter('autostart', True).value
        # The executor must be spinning before the first transition.
        self._starter = self.create_timer(0.0, self._autostart) if autostart else None

    def configure(self) -> None:
        """Make what the node needs: subscriptions, publishers, models."""

    def activate(self) -> None:
        """Begin to work."""

    def deactivate(self) -> None:
        """Stop working; what `configure` made stays."""

    def release(self) -> None:
        """Let go of what `configure` made, other than ROS entities."""

    def require_active(self) -> None:
        """Check that the node works.

        Raises:
            IlRosError: If it does not.
        """
        if not self.active:
            raise IlRosError(f'the {self.get_name()} is not active', fix='activate it first')

    def serve(self, kind: Any, name: str, answer: Callable[[Any, Any], None]) -> None:
        """Offer a service whose response has the fields `success` and `message`.

        Args:
            kind: Type of the service.
            name: Of the service.
            answer: Fills in the response to a request; whatever it raises becomes the message.
        """

        def respond(request: Any, response: Any) -> Any:
            try:
                answer(request, response)
                response.success = True
            except Exception as problem:
                response.success, response.message = False, refusal(self, problem)
            return response

        self.create_service(kind, name, respond)

    def serve_slowly(self, kind: Any, name: str, answer: SlowAnswer[Any]) -> DeferredService[Any]:
        """Offer such a service whose work takes its time, in a thread of its own.

        Args:
            kind: Type of the service.
            name: Of the service.
            answer: What it does with a request.
        """
        self._deferred.append(DeferredService(self, kind, name, answer))
        return self._deferred[-1]

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        self._kept = {id(entity) for entity, _ in self._entities()}
        result = self._guarded('configure', self.configure)
        if result is not TransitionCallbackReturn.SUCCESS:
            self._release()
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        result = self._guarded('activate', self.activate)
        self.active = result is TransitionCallbackReturn.SUCCESS
        if self.active:
            self.get_logger().info('active')
        return result if self.active else TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        self.active = False
        return self._guarded('deactivate', self.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        return self._release()

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        return self._down()

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lifecycle callback."""
        return self._down()

    def wind_down(self) -> None:
        """Stop working before the process ends, while answers can still be sent."""
        if self.active:
            self.active = False
            self._guarded('deactivate', self.deactivate)

    def destroy_node(self) -> None:
        """Go down in order, then destroy the actions and the node."""
        self._down()
        for action in self.actions:
            action.destroy()
        self.actions.clear()
        super().destroy_node()
        # Otherwise it keeps the node in the graph: rclpy leaves it to the garbage collector.
        self._state_machine.destroy_when_not_in_use()

    def _entities(self) -> list[tuple[Any, Callable[[Any], Any]]]:
        kinds = (
            (self.subscriptions, self.destroy_subscription),
            (self.services, self.destroy_service),
            (self.clients, self.destroy_client),
            (self.timers, self.destroy_timer),
            (self.publishers, self.destroy_publisher),
        )
        return [(entity, destroy) for entities, destroy in kinds for entity in entities]

    def _release(self) -> TransitionCallbackReturn:
        if self._kept is None:  # nothing was configured
            return TransitionCallbackReturn.SUCCESS
        result = self._guarded('release', self.release)
        for service in self._deferred:
            service.abandon()
        self._deferred.clear()
        for entity, destroy in self._entities():
            if id(entity) not in self._kept:
                destroy(entity)
        self._kept = None
        return result

    def _down(self) -> TransitionCallbackReturn:
        self.wind_down()
        return self._release()

    def _autostart(self) -> None:
        if self._starter is None:
            return  # a timer without a period may have fired twice
        self.destroy_timer(self._starter)
        self._starter = None
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() is not TransitionCallbackReturn.SUCCESS:
                self.exit_code = 2
                return

    def _guarded(self, what: str, call: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            call()
        except IlRosError as problem:
            self.get_logger().error(f'cannot {what}: {problem}')
            return TransitionCallbackReturn.FAILURE
        except Exception:
            said = printable(traceback.format_exc(), 20_000)
            self.get_logger().error(f'cannot {what}:\n{said}')
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS
