"""What a running graph shows of a robot, for `contract init` and `contract check`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, Self

import rclpy
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from il_ros.core.errors import IlRosError
from il_ros.core.seen_graph import (
    SeenController,
    SeenEndpoint,
    SeenGraph,
    SeenSample,
    SeenTopic,
    is_looked_into,
)
from il_ros.ros.message_types import message_type
from il_ros.ros.publisher_watch import node_of
from il_ros.ros.raw_callback import RawCallback, publisher_of, received_ns
from il_ros.ros.raw_subscriptions import best_match
from il_ros.ros.shielded_node import ShieldedNode
from il_ros.ros.spin import WAKE, make_executor

_LIST, _MANAGERS = 'controller_manager_msgs/srv/ListControllers', 'controller_manager_msgs.srv'
_GOAL, _GOAL_TYPE = '/_action/send_goal', '_SendGoal'
_LOOK = 0.25  # s between two looks for new topics
_NAME = 'il_ros_contract'


class GraphLook:
    """Looks at a graph for a while; use it as a context manager. It publishes nothing.

    Args:
        seconds: For how long messages are taken, from the first joint state on [s].
        timeout: For how long it looks at the most [s].
    """

    def __init__(self, seconds: float, timeout: float) -> None:
        self._seconds, self._timeout = seconds, timeout
        self._context = rclpy.Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = ShieldedNode(
            _NAME, context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._executor = make_executor(self._context)
        self._executor.add_node(self._node)
        self._topics: dict[str, SeenTopic] = {}
        self._subscribed: set[str] = set()
        self._answers: dict[str, Future] = {}
        self._why_not = ''

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)
        self._executor.shutdown()

    def look(self) -> SeenGraph:
        """Look, until there were enough messages or the time is over."""
        begin = time.monotonic()
        first: float | None = None
        while (now := time.monotonic()) - begin < self._timeout:
            self._subscribe()
            self._ask()
            self._spin(min(_LOOK, max(self._timeout - (now - begin), 0.0)))
            if first is None and self._heard():
                first = now
            if first is not None and now - first >= self._seconds and self._settled():
                break
        return self._seen(time.monotonic() - (first or begin))

    def _spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0.0:
            self._executor.spin_until_future_complete(
                Future(executor=self._executor), min(left, WAKE)
            )

    def _subscribe(self) -> None:
        for name, kinds in self._node.get_topic_names_and_types():
            topic = self._topics.setdefault(name, SeenTopic(name=name, type=kinds[0]))
            offers = self._node.get_publishers_info_by_topic(name)
            if name in self._subscribed or not offers or not is_looked_into(name, topic.type):
                continue
            topic.type = str(offers[0].topic_type)
            profile = best_match(offer.qos_profile for offer in offers)
            if profile is None or not is_looked_into(name, topic.type):
                continue
            self._subscribed.add(name)
            try:
                kind = message_type(topic.type)
            except IlRosError:
                continue  # it is listed, without its messages
            take, qos = RawCallback(partial(self._take, topic)), profile.profile(topic.type)
            self._node.create_subscription(kind, name, take, qos, raw=True)

    def _take(self, topic: SeenTopic, data: bytes, info: Mapping[str, Any]) -> None:
        receive = received_ns(info, time.time_ns())
        sample = SeenSample(receive=receive, data=data, publisher=publisher_of(info).hex())
        topic.take(sample)

    def _heard(self) -> bool:
        return any(t.count and t.type.endswith('/JointState') for t in self._topics.values())

    def _ask(self) -> None:
        """Ask each controller manager that is new."""
        for name, kinds in self._node.get_service_names_and_types():
            if _LIST not in kinds or name in self._answers:
                continue
            try:
                kind = import_module(_MANAGERS).ListControllers
            except (ImportError, AttributeError):
                self._why_not = 'controller_manager_msgs is not installed'
                return
            client = self._node.create_client(kind, name)
            if client.service_is_ready():
                self._answers[name] = client.call_async(kind.Request())

    def _settled(self) -> bool:
        return all(answer.done() for answer in self._answers.values())

    def _seen(self, seconds: float) -> SeenGraph:
        for name, topic in self._topics.items():
            offers = self._node.get_publishers_info_by_topic(name)
            takers = self._node.get_subscriptions_info_by_topic(name)
            topic.publishers = tuple(map(_endpoint, offers))
            topic.subscribers = tuple(
                _endpoint(taker) for taker in takers if taker.node_name != _NAME
            )
        controllers, why_not = self._controllers()
        return SeenGraph(
            source='the running graph',
            live=True,
            seconds=seconds,
            topics=self._topics,
            controllers=controllers,
            unasked=why_not,
            actions=dict(self._actions()),
        )

    def _controllers(self) -> tuple[tuple[SeenController, ...] | None, str]:
        if not self._answers:
            return None, self._why_not or 'there is no controller manager'
        silent = [name for name, answer in self._answers.items() if not answer.done()]
        found = [
            controller
            for name, answer in self._answers.items()
            if answer.done() and answer.exception() is None
            for controller in _controllers(name, answer.result())
        ]
        why_not = f'no answer from {", ".join(silent)}' if silent else ''
        return (tuple(found) if found or not silent else None), why_not

    def _actions(self) -> Iterable[tuple[str, str]]:
        """The actions that have a server, by the service that takes their goals."""
        for name, kinds in self._node.get_service_names_and_types():
            if name.endswith(_GOAL) and self._node.count_services(name):
                yield name.removesuffix(_GOAL), kinds[0].removesuffix(_GOAL_TYPE)


def _endpoint(info: Any) -> SeenEndpoint:
    qos = info.qos_profile
    return SeenEndpoint(
        node=node_of(info),
        type=str(info.topic_type),
        reliable=qos.reliability == ReliabilityPolicy.RELIABLE,
        latched=qos.durability == DurabilityPolicy.TRANSIENT_LOCAL,
    )


def _controllers(service: str, response: Any) -> Iterable[SeenController]:
    namespace = service.rpartition('/')[0].rpartition('/')[0]
    for state in response.controller:
        yield SeenController(
            name=f'{namespace}/{state.name}',
            type=state.type,
            state=state.state,
            interfaces=tuple(state.claimed_interfaces or state.required_command_interfaces),
        )
