"""The expert's answers to frames: labels for interactive imitation learning.

DAgger (Ross et al. 2011) trains on what the expert answers at states that the learner visited. On
the graph the answer is an action chunk on `expert/action_chunk` with the stamp of the frame that
it answers, whatever source was in control. Where the expert executes something else, for it is
blended with earlier ones or a rule adds noise (DART), the answer is on `expert/label`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from il_ros.bags.bag_reader import BagMessage
from il_ros.bags.recorded_chunk import read_chunk
from il_ros.core import topics
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import Frame
from il_ros.core.geometry import unwrapped

LABEL_TOPICS = (topics.EXPERT_LABEL, topics.EXPERT_CHUNK)
"""Where labels are: on the first that has one for a frame."""


class ExpertLabels:
    """Takes the expert's chunks of one bag, then gives the label of each frame.

    Args:
        contract: What their joints are.
        steps: How many steps of a chunk are kept, H.
    """

    def __init__(self, contract: Contract, steps: int) -> None:
        self._contract, self._steps = contract, steps
        self._chunks: dict[tuple[str, int], NDArray[np.float64]] = {}

    def add(self, message: BagMessage) -> None:
        """Take an il_ros/msg/ActionChunk; of two on one topic for one frame the later counts.

        Raises:
            DatasetError: If it is of other joints than the contract's, or cut short.
        """
        chunk = read_chunk(message)
        names, steps, flat = chunk.names, chunk.steps, chunk.positions
        wanted = self._contract.action.names
        if names != wanted or len(flat) != steps * len(wanted):
            raise DatasetError(
                f'{len(flat)} positions of joints {list(names)} in {steps} steps',
                where=message.topic,
                allowed=f'{", ".join(wanted)}, one position each a step',
            )
        self._chunks[message.topic, chunk.stamp] = np.array(flat).reshape(steps, len(wanted))

    def of(self, frames: Sequence[Frame]) -> NDArray[np.float32]:
        """Labels, shape (F, H, N) [rad or m]; NaN without an answer, and beyond a chunk."""
        shape = (len(frames), self._steps, len(self._contract.action.names))
        labels = np.full(shape, np.nan, np.float32)
        for label, frame in zip(labels, frames, strict=True):
            found = [self._chunks.get((topic, frame.stamp)) for topic in LABEL_TOPICS]
            chunk = next((chunk for chunk in found if chunk is not None), None)
            if chunk is not None:
                if self._contract.continuous:
                    measured = frame.vector(self._contract.action.position)
                    chunk = unwrapped(chunk, measured, self._contract.endless)
                label[: len(chunk)] = chunk[: self._steps]
        return labels
