"""The buttons with which an operator begins and ends episodes, at the recorder's services."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.task import Future

from il_ros.experts.teleop.device_reading import Press
from il_ros.srv import StartEpisode, StopEpisode

_OUTCOMES: dict[Press, int] = {
    'success': StopEpisode.Request.SUCCESS,
    'failure': StopEpisode.Request.FAILURE,
    'discard': StopEpisode.Request.DISCARDED,
}


class EpisodeButtons:
    """Asks the recorder for what is pressed, and logs what it answers.

    Args:
        node: Owner of the clients.
        task: Task of the episodes that are begun here.
    """

    def __init__(self, node: Node, task: str) -> None:
        self._node, self._task = node, task
        self._start = node.create_client(StartEpisode, 'recorder/start')
        self._stop = node.create_client(StopEpisode, 'recorder/stop')

    def press(self, press: Press) -> None:
        """Begin an episode, or end it with an outcome; other buttons are not for the recorder."""
        if press == 'start':
            self._ask(self._start, StartEpisode.Request(task=self._task), press)
        elif press in _OUTCOMES:
            request = StopEpisode.Request(
                outcome=_OUTCOMES[press], reason=f'the operator pressed {press}'
            )
            self._ask(self._stop, request, press)

    def _ask(self, client: Any, request: Any, press: Press) -> None:
        log = self._node.get_logger()
        if not client.service_is_ready():
            log.error(f'{press} is lost: no recorder answers at {client.srv_name}')
            return

        def told(future: Future) -> None:
            answer = future.result()
            if answer is None or not answer.success:
                why = answer.message if answer else 'no answer'
                log.error(f'{press} is refused by the recorder: {why}')
            else:
                log.info(f'{press}: {answer.path} {answer.message}'.rstrip())

        client.call_async(request).add_done_callback(told)
