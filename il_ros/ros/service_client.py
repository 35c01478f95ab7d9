"""A node that calls the services of a running graph, each call waiting for its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import rclpy
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import SetBool, Trigger

from il_ros.core.errors import IlRosError
from il_ros.ros.shielded_node import ShieldedNode
from il_ros.ros.spin import make_executor
from il_ros.srv import (
    DiscardBefore,
    LoadPolicy,
    QueryExpert,
    ResetWorld,
    SetMode,
    StartEpisode,
    StepWorld,
    StopEpisode,
)

_SERVICES = {
    'simulator/reset': ResetWorld,
    'simulator/step': StepWorld,
    'recorder/start': StartEpisode,
    'recorder/stop': StopEpisode,
    'monitor/set_mode': SetMode,
    'monitor/discard_before': DiscardBefore,
    'monitor/load': LoadPolicy,
    'monitor/get_parameters': GetParameters,
    'monitor/set_parameters': SetParameters,
    'policy/load': LoadPolicy,
    'policy/reset': Trigger,
    'expert/get_parameters': GetParameters,
    'expert/set_parameters': SetParameters,
    'expert/query': QueryExpert,
    'expert/stream': SetBool,
}
_REPEATABLE = {name for name in _SERVICES if name.split('/')[1] not in ('step', 'start', 'stop')}
_RESET = 'simulator/reset'
_FIRST = 3.0  # s until a question is asked again


class ServiceClient:
    """Calls the services of the nodes of one graph under one namespace.

    Use it as a context manager. Every call waits for its answer; a service that is not there, an
    answer that does not come, and a refusal are IlRosErrors.

    Args:
        namespace: Of the graph.
        timeout: Longest wait for an answer [s].
        alone: Next to a node in the same process, arguments of a ROS context of its own; None for
            the process's.

    Attributes:
        node: What it calls them from.
    """

    def __init__(
        self, namespace: str = '/', timeout: float = 30.0, alone: Sequence[str] | None = None
    ) -> None:
        self._timeout = timeout
        # The process's own context is asked for anew each time: rclpy replaces it when it ends.
        self._context = None if alone is None else rclpy.Context()
        if self._context is not None or not rclpy.ok():
            rclpy.init(
                args=None if alone is None else [*alone],
                context=self._context,
                signal_handler_options=SignalHandlerOptions.NO,
            )
        self.node = ShieldedNode('il_ros', namespace=namespace, context=self._context)
        self._executor = make_executor(self._context)
        self._executor.add_node(self.node)
        self._clients = {
            name: self.node.create_client(kind, name) for name, kind in _SERVICES.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        self._executor.shutdown()  # it holds the context, and with that sockets and threads

    def spin(self, timeout: float) -> None:
        """Serve what comes next; wait for it at most `timeout` [s]."""
        self._executor.spin_once(timeout_sec=timeout)

    def wait_for(self, *services: str) -> None:
        """Wait until these services are there.

        Raises:
            IlRosError: Naming those that are not, after the time limit.
        """
        deadline = time.monotonic() + self._timeout
        for name in services:
            if not self._clients[name].wait_for_service(max(deadline - time.monotonic(), 0.01)):
                raise IlRosError(
                    f'no service after {self._timeout:.0f} s',
                    where=self.node.resolve_service_name(name),
                    fix='start its node (il_ros launch simulation, record or deploy; demo starts '
                    'all of them) in the same namespace and ROS_DOMAIN_ID',
                )

    def _call(
        self, name: str, known: Callable[[], Any | None] | None = None, /, **fields: Any
    ) -> Any:
        """The answer of a service.

        Args:
            name: Of the service.
            known: Where it must not be asked again: the answer, if it is known by other means.
            fields: Of the request.
        """
        self.wait_for(name)
        where = self.node.resolve_service_name(name)
        response = self._answer(name, _SERVICES[name].Request(**fields), known)
        if response is None:
            raise IlRosError(
                f'no answer within {self._timeout:.0f} s', where=where, fix='is its node alive?'
            )
        if not getattr(response, 'success', True):
            raise IlRosError(response.message, where=where)
        return response

    def _answer(
        self, name: str, request: Any, known: Callable[[], Any | None] | None
    ) -> Any | None:
        """The first answer that comes; None for none in time.

        A server loses its answers to a client that it has not found yet, so what may be asked again
        is, each time after twice as long: it may be at work on the first.
        """
        wait, now = _FIRST, time.monotonic()
        deadline, again = now + self._timeout, now + wait
        asked = [self._clients[name].call_async(request)]
        while (now := time.monotonic()) < deadline:
            if now > again and known is not None:
                if (answer := known()) is not None:
                    return answer
            elif now > again and name in _REPEATABLE:
                if name == _RESET:  # what the first question began is over with the second
                    asked.clear()
                asked.append(self._clients[name].call_async(request))
                wait *= 2
                again = now + wait
            self.spin(0.1)
            for future in asked:
                if future.done():
                    return future.result()
        return None
