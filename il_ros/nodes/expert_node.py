"""The expert node: answers what it would do, and can say so all the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from std_srvs.srv import SetBool

from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import FrameIdError, IlRosError, require
from il_ros.core.frames import Frame
from il_ros.experts import expert_of, make_expert
from il_ros.msg import ActionChunk
from il_ros.policies.cartesian_expert import Expert
from il_ros.ros.diagnostics import OK, WARN, Report, publish_diagnostics
from il_ros.ros.frame_source import FrameSource
from il_ros.ros.managed_node import ManagedNode
from il_ros.ros.message_conversion import chunk_message, frame_of
from il_ros.ros.node_parameters import declare, let_change, setting
from il_ros.ros.qos import CHUNKS
from il_ros.ros.spin import run_node
from il_ros.srv import QueryExpert

_MOST = 1000  # steps of a chunk


@dataclass(frozen=True, kw_only=True)
class ExpertConfig:
    """Parameters of the expert node."""

    contract: str = setting('', 'Contract file.')
    expert: str = setting('pick_place', 'Name of the expert: a task, or a heuristic.')
    horizon: int = setting(4, 'Steps of a chunk.', low=1, high=_MOST)
    stream: bool = setting(True, 'Publish a chunk for every observation, not only on request.')


class ExpertNode(ManagedNode):
    """Answers ~/query, and publishes a chunk for each frame while ~/stream is on."""

    def __init__(self) -> None:
        super().__init__('expert')
        self._config = declare(self, ExpertConfig, dynamic=('expert',))
        let_change(self, ('expert',), self._check, self._change)
        self._streaming = self._config.stream
        self._newest: Frame | None = None
        self._make: Callable[[str], Expert] = make_expert  # until there is a contract

    def configure(self) -> None:
        """Load the expert; offer its service."""
        self._contract = load_contract(self._config.contract)
        self._make = partial(expert_of, contract=self._contract)
        self._expert: Expert = self._make(self._config.expert)
        self._publisher = self.create_publisher(ActionChunk, topics.EXPERT_CHUNK, CHUNKS)
        source = FrameSource(self, self._contract, self._on_frame, self._contract.streams)
        self.serve(QueryExpert, '~/query', self._on_query)
        self.serve(SetBool, '~/stream', self._on_stream)
        publish_diagnostics(
            self, 'queries', self._report, hardware_id=self._contract.name, topics=source.heard
        )

    def _on_frame(self, frame: Frame) -> None:
        self._newest = frame
        if self.active and self._streaming and frame.all_valid(frame.values):
            self._publisher.publish(self._chunk(frame, self._config.horizon))

    def _chunk(self, frame: Frame, horizon: int) -> ActionChunk:
        positions = self._expert.act(frame.values, horizon=horizon, dt=self._contract.period)
        return chunk_message(
            self._contract, np.asarray(positions), stamp=frame.stamp, source='expert'
        )

    def _on_query(self, request: QueryExpert.Request, response: QueryExpert.Response) -> None:
        self.require_active()
        require(request.horizon <= _MOST, request.horizon, 'horizon', f'up to {_MOST} steps')
        frame = self._newest
        if request.observation.keys:
            given, frame = request.observation.header.frame_id, frame_of(request.observation)
            wanted = self._contract.base_frame
            require(given == wanted, given, 'observation.header.frame_id', wanted, FrameIdError)
        if frame is None:
            raise IlRosError('the expert has seen no observation yet, and the request has none')
        missing = [key for key in self._contract.observations if not frame.valid.get(key, False)]
        if missing:
            raise IlRosError(f'no valid value for {", ".join(missing)}')
        response.chunk = self._chunk(frame, request.horizon or self._config.horizon)

    def _on_stream(self, request: SetBool.Request, response: SetBool.Response) -> None:
        self._streaming = bool(request.data)

    def _report(self) -> Report:
        values = {'expert': self._config.expert, 'streaming': self._streaming}
        if self._newest is None:
            return WARN, 'no observation yet', values
        return OK, 'running', values

    def _check(self, changes: dict[str, str]) -> None:
        """An expert of a new name has to be there."""
        for name in changes.values():
            self._make(name)

    def _change(self, changes: dict[str, str]) -> None:
        for name in changes.values():
            self._expert = self._make(name)


main = partial(run_node, ExpertNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
