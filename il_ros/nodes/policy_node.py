"""The policy node: frames in, action chunks out; a bundle can be swapped while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from std_srvs.srv import Trigger

from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import Frame
from il_ros.msg import ActionChunk
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.ros.bundle_settings import BundleSettings
from il_ros.ros.deferred_service import SlowAnswer
from il_ros.ros.diagnostics import OK, STALE, WARN, Report, publish_diagnostics
from il_ros.ros.frame_source import FrameSource
from il_ros.ros.managed_node import ManagedNode
from il_ros.ros.message_conversion import chunk_message
from il_ros.ros.node_parameters import declare, setting
from il_ros.ros.policy_loader import MonitorMode
from il_ros.ros.policy_statement import PolicyStatement
from il_ros.ros.qos import CHUNKS
from il_ros.ros.rates import Latency
from il_ros.ros.spin import run_node
from il_ros.srv import LoadPolicy


@dataclass(frozen=True, kw_only=True)
class PolicyConfig(BundleSettings):
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
        self._cost = Latency(cold=0)
        self._missing: list[str] = []

    def configure(self) -> None:
        """Load the bundle, if one is named, and subscribe."""
        self._contract = load_contract(self._config.contract)
        self.get_logger().info(f'bundles that are taken: {self._config.taken}')
        self._source: FrameSource | None = None
        self._statement = PolicyStatement(self)
        if self._config.bundle:
            self._use(self._load(self._config.bundle))
        self._publisher = self.create_publisher(ActionChunk, topics.POLICY_CHUNK, CHUNKS)
        publish_diagnostics(
            self,
            'inference',
            self._report,
            hardware_id=self._contract.name,
            topics=lambda: self._source.heard() if self._source else {},
        )
        answer = SlowAnswer(
            begin=self._begin_load,
            finish=self._finish_load,
            describe=self._describe,
        )
        self._monitor = MonitorMode(self)
        self.serve_slowly(LoadPolicy, '~/load', answer)
        self.serve(Trigger, '~/reset', self._on_reset)

    def release(self) -> None:
        """Let the model go."""
        self._bundle = None

    def _load(self, path: str, policy_id: str = '') -> Bundle:
        bundle = load_bundle(path, self._contract, self._config.device, self._config.trust)
        if policy_id and bundle.policy_id != policy_id:
            raise IlRosError(f'its policy is {bundle.policy_id}', where=path, allowed=policy_id)
        return bundle

    def _begin_load(self, request: LoadPolicy.Request) -> Callable[[], Bundle]:
        self._monitor.require_no_policy()
        return partial(self._load, request.path, request.policy_id)

    def _finish_load(self, bundle: Bundle) -> None:
        self._monitor.require_no_policy()  # still
        self._use(bundle)

    def _use(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._statement.say(bundle.policy_hash)
        if self._source is None:  # without a policy there is nothing to look at
            self._source = FrameSource(self, self._contract, self._on_frame)
        self.get_logger().info(f'policy {bundle.policy_id} of bundle {bundle.identity[:16]}')

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
                self._contract,
                np.asarray(positions),
                stamp=frame.stamp,
                source='policy',
                policy_id=self._bundle.policy_id,
                samples=self._bundle.policy.samples(),
            )
        )
        self._cost.add(time.perf_counter() - begin)

    def _describe(self, response: LoadPolicy.Response) -> None:
        if self._bundle is not None:
            response.policy_id = self._bundle.policy_id
            response.bundle_identity = self._bundle.identity

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> None:
        if self._bundle is not None:
            self._bundle.policy.reset()

    def _report(self) -> Report:
        if self._bundle is None:
            return STALE, 'no bundle loaded', {}
        cost = f'{1e3 * self._cost.value:.2f}'
        bundle = {
            'policy_id': self._bundle.policy_id,
            'bundle_identity': self._bundle.identity,
            'bundles': self._config.taken,
        }
        values = {**bundle, 'inference_p95_ms': cost}
        if self._missing:
            return WARN, '; '.join(self._missing), values
        return OK, 'running', values


main = partial(run_node, PolicyNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
