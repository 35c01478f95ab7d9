"""A controller manager as far as questions go: which controllers there are."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from il_ros.core.driver_description import ControllerDescription, DriverDescription
from il_ros.ros.stand_in_controllers import StandInController


class ControllerManagerStandIn:
    """Answers `list_controllers`, where controller_manager_msgs is there.

    Args:
        node: Owner of the service.
        driver: Says which controllers there are.
        moving: Those that take commands, which know whether they are active.
    """

    def __init__(
        self, node: Node, driver: DriverDescription, moving: list[StandInController]
    ) -> None:
        self._driver = driver
        self._moving = {one.about.name: one for one in moving}
        try:
            from controller_manager_msgs import msg, srv
        except ImportError as problem:
            node.get_logger().warning(f'no {driver.manager}/list_controllers: {problem}')
            return
        self._state = msg.ControllerState
        node.create_service(
            srv.ListControllers, f'{driver.manager}/list_controllers', self._on_list
        )

    def _on_list(self, _request: Any, response: Any) -> Any:
        response.controller = [self._told(about) for about in self._driver.controllers]
        return response

    def _told(self, about: ControllerDescription) -> Any:
        moving = self._moving.get(about.name)
        active = about.active if moving is None else moving.active
        interfaces = [f'{joint}/{kind}' for joint in about.joints for kind in about.interfaces]
        return self._state(
            # Its manager knows it without the namespace that both are in.
            name=about.name.rpartition('/')[2],
            state='active' if active else 'inactive',
            type=about.type,
            update_rate=round(self._driver.rate),
            claimed_interfaces=interfaces if active else [],
            required_command_interfaces=interfaces,
            required_state_interfaces=[
                f'{joint}/{kind}' for joint in about.joints for kind in ('position', 'velocity')
            ],
        )
