"""The policy node: frames in, action chunks out; a bundle can be swapped while it runs."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from std_srvs.srv import Trigger

from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import Frame
from il_ros.msg import ActionChunk
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.ros.diagnostics import OK, STALE, WARN, Diagnostics, Report
from il_ros.ros.frame_source import FrameSource
from il_ros.ros.managed_node import ManagedNode
from il_ros.ros.message_conversion import chunk_message
from il_ros.ros.node_parameters import declare, setting
from il_ros.ros.qos import CHUNKS
from il_ros.ros.spin import run_node
from il_ros.srv import LoadPolicy


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """Parameters of the policy node."""

    contract: str = setting('', 'Contract file.')
    bundle: str = setting('', 'Folder of the bundle; empty to wait for ~/load.')
    device: str = setting('auto', "Where it computes: 'auto', 'cpu' or 'cuda'.")


class PolicyNode(ManagedNode):
    """Publishes a chunk for every complete frame, stamped with the frame's time."""

    def __init__(self) -> None:
        super().__init__('policy')
        self._config = declare(self, PolicyConfig)
        self._bundle: Bundle | None = None
        self._costs: deque[float] = deque(maxlen=200)
        self._missing: list[str] = []

    def configure(self) -> None:
        """Load the bundle, if one is named, and subscribe."""
        self._contract = load_contract(self._config.contract)
        self._source: FrameSource | None = None
        if self._config.bundle:
            self._use(self._load(self._config.bundle))
        self._publisher = self.create_publisher(ActionChunk, topics.POLICY_CHUNK, CHUNKS)
        Diagnostics(self, self._report)
        self.create_service(LoadPolicy, '~/load', self._on_load)
        self.create_service(Trigger, '~/reset', self._on_reset)

    def release(self) -> None:
        """Let the model go."""
        self._bundle = None

    def _load(self, path: str) -> Bundle:
        bundle = load_bundle(path, contract=self._contract, device=self._config.device)
        self.get_logger().info(f'policy {bundle.policy_id} from {path}')
        return bundle

    def _use(self, bundle: Bundle) -> None:
        self._bundle = bundle
        if self._source is None:  # without a policy there is nothing to look at
            self._source = FrameSource(self, self._contract, self._on_frame)

    def _on_frame(self, frame: Frame) -> None:
        if not self.active or self._bundle is None or self._source is None:
            return
        self._missing = self._source.invalid(frame)
        if self._missing:
            return
        begin = time.perf_counter()
        positions = self._bundle.policy.act(frame)
        self._publisher.publish(
            chunk_message(
                np.asarray(positions),
                stamp=frame.stamp,
                step_dt=self._contract.period,
                names=self._contract.action.names,
                frame_id=self._contract.base_frame,
                source='policy',
                contract_hash=self._contract.hash,
                policy_id=self._bundle.policy_id,
                samples=self._bundle.policy.samples(),
            )
        )
        self._costs.append(time.perf_counter() - begin)

    def _on_load(
        self, request: LoadPolicy.Request, response: LoadPolicy.Response
    ) -> LoadPolicy.Response:
        try:
            self._use(self._load(request.path))
            response.success = True
        except IlRosError as problem:
            response.message = str(problem)
            self.get_logger().error(f'the bundle in use stays: {problem}')
        response.policy_id = self._bundle.policy_id if self._bundle else ''
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._bundle is not None:
            self._bundle.policy.reset()
        response.success = True
        return response

    def _report(self) -> Report:
        if self._bundle is None:
            return STALE, 'no bundle loaded', {}
        cost = 1e3 * float(np.percentile(self._costs, 95)) if self._costs else float('nan')
        values = {'policy_id': self._bundle.policy_id, 'inference_p95_ms': f'{cost:.2f}'}
        if self._missing:
            return WARN, '; '.join(self._missing), values
        return OK, 'running', values


def main() -> int:
    """Run the node."""
    return run_node(PolicyNode)


if __name__ == '__main__':
    raise SystemExit(main())
