"""Episodes of interactive imitation on a running graph, in lock-step.

The policy node answers every frame, and the monitor drives the arm by its chunks. The coach
observes the same frame and decides, as in one process. Where the expert is to drive, the coach
holds an enable switch as an operator would (`expert/takeover`), and the monitor gives the expert
the arm. No tick passes before the coach has decided on its frame (the monitor's parameter
`takeover_from`), so a decision about a frame takes effect at that frame.

An operator with an enable switch of their own goes first: while they hold it they drive, their
chunks are the labels, and the expert is not asked.

The expert is asked by its service alone. Its answer is published with the stamp of the frame: the
monitor follows it where the expert drives, and the bag holds it as the frame's label. Where a rule
adds noise to what the expert does, the monitor gets that, and the label is published next to it
(`expert/label`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np

from il_ros.algorithms.transitions import Ending
from il_ros.core import topics
from il_ros.core.contract import Contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.dataset_build import build_dataset
from il_ros.evaluation.episode_result import EpisodeResult
from il_ros.evaluation.suites import SEEDS
from il_ros.interactive.arm_episode_env import FrameScorer
from il_ros.interactive.arm_transitions import observed
from il_ros.interactive.episode_env import ActionSource, EpisodeOutcome, StepContext
from il_ros.interactive.retraining import Trials
from il_ros.monitors.enable_switch import EnableSwitches
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.msg import ActionChunk, MonitorScores, Takeover, TaskState
from il_ros.rollouts.demonstrations import NOISE
from il_ros.ros.frame_source import FrameSource
from il_ros.ros.graph_client import GraphClient
from il_ros.ros.graph_evaluator import GraphEvaluator, taken
from il_ros.ros.message_conversion import (
    chunk_positions,
    chunk_source,
    doubles,
    fill_stamp,
    observation_message,
    to_ns,
)
from il_ros.ros.qos import CHUNKS, EVENTS
from il_ros.sim.perturbations import Perturbation
from il_ros.sim.randomisation import NOTHING, Randomisation
from il_ros.sim.tasks import floor_of
from il_ros.srv import StopEpisode

DEVICE = 'coach'
"""The coach's name among the devices with an enable switch."""

_PATIENCE = 10.0  # s that a node may take for a frame, or to find the others
_LATE = 'time limit of the task'
_DRIVERS = ('policy', 'expert')
_EXECUTED = 1_000  # newest executed chunks that are known


@contextmanager
def graph_episode_env(
    client: GraphClient,
    contract: Contract,
    *,
    horizon: int,
    novelty: bool = False,
    noise: float = NOISE,
    randomisation: Randomisation = NOTHING,
) -> Iterator[GraphEpisodeEnv]:
    """A graph as the place for a coach's episodes, and afterwards as it was.

    Args:
        client: Talks to the graph.
        contract: What the topics mean.
        horizon: Steps of an answer, H.
        novelty: Whether the monitor's scores may stop the policy; they need calibrated bundles.
        noise: Standard deviation of the joints' disturbance where it is learned from [rad].
        randomisation: What differs from episode to episode besides the scene, in all of them.

    Raises:
        IlRosError: If a node is missing, or refuses.
    """
    client.wait_for('expert/query', 'policy/load', 'recorder/start', 'simulator/step')
    client.tidy()
    streams = bool(client.parameter('expert', 'stream'))
    client.stream(False)
    try:
        with client.watching(novelty=novelty, gives_back=True):
            field = GraphEpisodeEnv(
                client,
                contract,
                horizon=horizon,
                noise=noise,
                randomisation=randomisation,
            )
            yield field
            field.settle()
    finally:
        with suppress(IlRosError):  # the node may be what has failed
            client.stream(streams)


def graph_trials(
    client: GraphClient,
    task: str,
    folder: Path,
    randomisation: Randomisation = NOTHING,
) -> Trials:
    """Trials of two policies on a graph, where no field is open; every episode is recorded.

    Args:
        client: Talks to the graph.
        task: Name of the simulator's task.
        folder: Of the dataset that the new policy is calibrated on.
        randomisation: What differs from episode to episode besides the scene.
    """

    def runner(bundle: Path) -> GraphEvaluator:
        return GraphEvaluator(client, task, bundle, floor_of(task), record=True)

    def rollouts(_: Path, episodes: Sequence[EpisodeResult]) -> Dataset:
        bags = [Path(episode.bag) for episode in episodes]
        return build_dataset(bags, folder, overwrite=True, jobs=1)

    return Trials(
        runner=runner,
        rollouts=rollouts,
        task=task,
        run='graph',
        randomisation=randomisation,
    )


class GraphEpisodeEnv:
    """Episodes on one graph (`episode_env.EpisodeEnv`); make it by `graph_episode_env`.

    A step observes what `arm_transitions.observed` gives of a frame, and is answered with a chunk
    of H joint positions laid flat, shape (H * N,) [rad or m]. Every episode is recorded. The
    learner drives by the policy node's chunks.

    Args:
        client: Talks to the graph.
        contract: What the topics mean.
        horizon: Steps of an answer, H.
        noise: Standard deviation of the joints' disturbance [rad], in every episode that may be
            learned from and never in one that evaluates (`SEEDS`); see `ArmEpisodeEnv`.
        randomisation: What differs from episode to episode besides the scene, in all of them.

    Attributes:
        notes: Free words, kept with each bag.
        scorer: What gives the steps of training episodes their scores; None for the monitor, which
            has some where the policy's bundle is calibrated.
    """

    def __init__(
        self,
        client: GraphClient,
        contract: Contract,
        *,
        horizon: int,
        noise: float = NOISE,
        randomisation: Randomisation = NOTHING,
    ) -> None:
        self.period, self.notes = contract.period, ''
        self.scorer: FrameScorer | None = None
        contract.require_joints()
        self.low = np.tile(contract.action_range[0], horizon)
        self.high = np.tile(contract.action_range[1], horizon)
        self._client, self._contract, self._horizon = client, contract, horizon
        self._randomisation = randomisation
        self._disturbed = [Perturbation(kind='command_noise', value=(noise,))] if noise else []
        self._has_policy = self._broken_off = False
        self._frame: Frame | None = None
        self._executed: dict[int, str] = {}
        self._asked: tuple[int, Array] | None = None
        self._answer: ActionChunk | None = None  # the expert's, until it is published
        self._scores: dict[str, float] = {}
        self._switches = EnableSwitches(MonitorConfig.takeover_age)
        self._now = 0.0  # stamp of the newest frame [s]
        self._heard: tuple[int, Array] = (0, np.empty(0))
        node = client.node
        self._source = FrameSource(node, contract, self._on_frame, contract.streams)
        self._chunks = node.create_publisher(ActionChunk, topics.EXPERT_CHUNK, CHUNKS)
        self._labels = node.create_publisher(ActionChunk, topics.EXPERT_LABEL, CHUNKS)
        self._words = node.create_publisher(Takeover, topics.TAKEOVER, EVENTS)
        node.create_subscription(ActionChunk, contract.action.executed, self._on_executed, EVENTS)
        node.create_subscription(MonitorScores, topics.MONITOR_SCORES, self._on_scores, CHUNKS)
        node.create_subscription(ActionChunk, topics.EXPERT_CHUNK, self._on_chunk, CHUNKS)
        node.create_subscription(Takeover, topics.TAKEOVER, self._on_word, EVENTS)
        self._wait_for_readers()

    def load(self, bundle: Path, policy_id: str) -> None:
        """Let the policy node and the monitor go on with another policy.

        Raises:
            IlRosError: If one of them refuses, or has loaded another policy than `policy_id`.
        """
        found = self._client.load(bundle)
        if found != policy_id:
            raise IlRosError(
                f'the policy node has loaded {found}', where=str(bundle), allowed=policy_id
            )
        self._has_policy = True

    def settle(self) -> None:
        """Bring the arm to rest where the last episode was broken off."""
        if self._broken_off:
            self._client.heed('')
            self._client.settle()
        self._broken_off = False

    def run(self, seed: int, source: ActionSource) -> EpisodeOutcome:
        """See `EpisodeEnv.run`. An alarm of the monitor ends the episode as a failure.

        Raises:
            IlRosError: If a node does not answer; then the episode has not happened.
        """
        self.settle()
        judged = seed in SEEDS['nominal']
        self._scored_by = None if judged or not self._has_policy else self.scorer
        self._client.begin(
            seed,
            self._enter,
            [*self._randomisation.draw(seed), *([] if judged else self._disturbed)],
            policy=self._has_policy,
            record=True,
            notes=self.notes,
        )
        try:
            ending, reason = self._drive(source, alone=judged)
            bag = self._client.stop_recording(_outcome(ending, reason), reason)
        except BaseException:
            self._broken_off = True
            self._client.stop_recording(StopEpisode.Request.DISCARDED, 'the episode was broken off')
            raise
        self._client.heed('')  # the coach has nothing to say about the frames of a braking arm
        self._client.rest()
        return EpisodeOutcome(
            ending=ending, gain=float(ending == 'success'), bag=bag, reason=reason
        )

    def _enter(self, stamp: Any) -> None:
        """Get the policy its mode, or the expert before there is a policy.

        The enable switch is released once: one that was held before takes nothing over.
        """
        self._executed.clear()
        self._scores.clear()
        self._asked = self._answer = None
        self._switches.reset()
        self._client.heed(DEVICE)
        first = to_ns(stamp)
        if self._has_policy:
            self._client.enter('policy', stamp)
        else:
            self._ask(self._frame_at(first))
            self._publish()
            self._client.enter('expert', stamp)
        self._first = first
        self._say(first - 1, held=False)

    def _drive(self, source: ActionSource, *, alone: bool) -> tuple[Ending, str]:
        stamp, before = self._first, False
        if self._scored_by is not None:
            self._scored_by.begin()
        while True:
            self._client.require_wanted()
            frame = self._frame_at(stamp)
            by_expert, person = False, self._person
            if alone and person:
                raise taken(where=self._client.node.resolve_topic_name(topics.TAKEOVER))
            if not self._source.invalid(frame):
                action = source(self._context(frame))
                if action is None:
                    self._publish()
                    return 'cut', 'the expert has answered as much as was allowed'
                by_expert = source.driver == 'expert'
                self._publish(action if by_expert else None)
            self._say(stamp, held=by_expert and self._has_policy and not person)
            state = self._client.step(1)
            # The monitor may hear of a person's letting go one tick after the coach.
            driver = 'expert' if by_expert else 'policy'
            stopped = self._stopped(stamp, driver, person=person or before)
            before = person
            if stopped:
                return 'failure', f'stopped: {stopped}'
            if state.done:
                return _ending(state)
            stamp = to_ns(state.header.stamp)

    def _context(self, frame: Frame) -> StepContext:
        person = self._person
        return StepContext(
            observation=observed(self._contract, frame),
            ask=lambda: self._ask(frame, person=person),
            scores=self._scored_by.ratios(frame) if self._scored_by else dict(self._scores),
            human=person,
        )

    def _ask(self, frame: Frame, *, person: bool = False) -> Array:
        """The expert's answer to a frame, shape (H * N,): one question, one label in the bag."""
        if self._asked is None or self._asked[0] != frame.stamp:
            self._asked = frame.stamp, self._persons(frame) if person else self._query(frame)
        return self._asked[1]

    def _query(self, frame: Frame) -> Array:
        message = observation_message(frame, self._contract.base_frame)
        self._answer = self._client.query(message, self._horizon)
        return chunk_positions(self._answer).reshape(-1)

    def _publish(self, action: Array | None = None) -> None:
        """Publish the expert's answer, if it was asked and the answer is not published yet.

        Args:
            action: What the expert is to do where it drives: its answer, or with noise, (H * N,).
        """
        chunk, self._answer = self._answer, None
        if chunk is None:
            return
        answer = np.minimum(np.maximum(chunk_positions(chunk).reshape(-1), self.low), self.high)
        if action is not None and not np.array_equal(action, answer):
            self._labels.publish(chunk)
            chunk = copy(chunk)
            chunk.positions = doubles(action)
        self._chunks.publish(chunk)

    def _persons(self, frame: Frame) -> Array:
        """The action of the operator who drives at a frame, as their device has published it."""
        self._until(lambda: self._heard[0] >= frame.stamp, 'no chunk of the person who drives')
        answer = self._heard[1]
        if answer.size != self.low.size:
            raise IlRosError(
                f'chunks of {len(answer)} steps',
                where=self._client.node.resolve_topic_name(topics.EXPERT_CHUNK),
                allowed=f'{self._horizon} steps, as the policy has',
                fix=f"start the operator's device with horizon:={self._horizon}",
            )
        return answer.reshape(-1)

    @property
    def _person(self) -> bool:
        """Whether an operator holds an enable switch that counts, by the monitor's rules."""
        return self._switches.any_held(self._now)

    def _say(self, stamp: int, *, held: bool) -> None:
        self._words.publish(fill_stamp(Takeover(device=DEVICE, held=held), stamp))

    def _stopped(self, stamp: int, driver: str, *, person: bool) -> str:
        """Why nobody drives any more after the tick of a frame; empty where somebody does.

        Args:
            stamp: Of the frame [ns].
            driver: Who was to drive.
            person: Whether an operator held a switch when that was decided, or one frame before.

        Raises:
            IlRosError: If another one drove, and no person has taken the arm or given it back; or
                if somebody asked for hold.
        """
        self._until(
            lambda: stamp in self._executed or self._client.trace.alarm is not None,
            'no tick of the monitor',
        )
        source = self._executed.get(stamp, '')
        if source == 'hold':  # an operator's stop is for everybody, not for one episode
            raise IlRosError(
                'somebody let go of the arm, or asked the monitor for hold',
                where=self._client.node.resolve_topic_name(topics.MONITOR_STATUS),
                fix='the same command goes on where it stopped',
            )
        if source not in _DRIVERS:
            self._until(lambda: self._client.trace.alarm is not None, 'no status of the monitor')
            return self._client.trace.reason
        if source != driver and not (person or self._person):
            raise IlRosError(
                f'the {source} drove where the coach had decided for the {driver}',
                where=self._client.node.resolve_topic_name(topics.TAKEOVER),
                fix='see that no other program hands the arm over',
            )
        return ''

    def _frame_at(self, stamp: int) -> Frame:
        self._until(lambda: self._frame is not None and self._frame.stamp >= stamp, 'no frame')
        assert self._frame is not None
        return self._frame

    def _wait_for_readers(self) -> None:
        """Until monitor and recorder hear the coach: what is said before that is lost."""
        node = self._client.node
        for publisher, name in (
            (self._chunks, 'expert chunks'),
            (self._labels, 'labels'),
            (self._words, 'dead-men'),
        ):
            self._until(
                lambda publisher=publisher: (
                    0
                    < len(node.get_subscriptions_info_by_topic(publisher.topic_name))
                    == publisher.get_subscription_count()
                ),
                f'nobody takes {name}',
            )

    def _until(self, happened: Any, problem: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not happened():
            if time.monotonic() > deadline:
                raise IlRosError(
                    f'{problem} within {_PATIENCE:.0f} s',
                    where=self._client.node.get_namespace(),
                    fix='are simulator, monitor and recorder alive?',
                )
            self._client.spin(0.02)

    def _on_frame(self, frame: Frame) -> None:
        self._frame, self._now = frame, frame.stamp / NS

    def _on_executed(self, message: ActionChunk) -> None:
        self._executed[to_ns(message.header.stamp)] = chunk_source(message)
        if len(self._executed) > _EXECUTED:
            del self._executed[next(iter(self._executed))]

    def _on_chunk(self, message: ActionChunk) -> None:
        self._heard = to_ns(message.header.stamp), chunk_positions(message)

    def _on_scores(self, message: MonitorScores) -> None:
        ratios = np.asarray(message.values) / np.asarray(message.thresholds)
        self._scores = dict(zip(message.names, ratios.tolist(), strict=True))

    def _on_word(self, message: Takeover) -> None:
        device = message.device
        if device != DEVICE:
            read = to_ns(message.header.stamp) / NS
            self._switches.hear(device, bool(message.held), read, lost=bool(message.lost))


def _ending(state: TaskState) -> tuple[Ending, str]:
    return ('success', 'the task was done') if state.success else ('cut', _LATE)


def _outcome(ending: Ending, reason: str) -> int:
    """What the bag says of it: the task was not done in its time, or nobody can tell."""
    kinds = StopEpisode.Request
    if ending == 'cut' and reason != _LATE:
        return int(kinds.UNKNOWN)
    return int(kinds.SUCCESS if ending == 'success' else kinds.FAILURE)
