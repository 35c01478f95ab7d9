"""Builds frames from a simulated arm's sensors, as a live node would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from il_ros.core.contract import Contract
from il_ros.core.errors import ContractError
from il_ros.core.frames import NS, Frame, FrameBuilder, describe_invalid

Array = NDArray[np.float64]


class FrameFeeder:
    """Feeds the frame builder once per control period, in the way of subscriptions.

    A lost sample silences its topic with every stream on it. A tick waits for such a stream for the
    contract's grace, then continues without it.

    Args:
        contract: Contract of the arm.
        keys: Observations in the frames; those of a policy by default.
    """

    def __init__(self, contract: Contract, keys: Iterable[str] | None = None) -> None:
        self.builder = FrameBuilder(contract, keys)
        self._contract = contract
        self._grace = round(contract.grace * NS)
        self._topics = list(contract.by_topic(self.builder.keys).values())

    def reset(self) -> None:
        """Forget every sample at the start of an episode."""
        self.builder.reset()

    def feed(self, readings: Mapping[str, Array | None], stamp: int) -> Frame | None:
        """Build the frame of this instant; None if the stream that paces the ticks was lost.

        Args:
            readings: A sample for each key; None if it was lost.
            stamp: Time of the samples [ns].

        Raises:
            ContractError: If the simulator has no such observation.
        """
        frames: list[Frame] = []
        for keys in self._topics:
            lost = [key for key in keys if self._reading(key, readings) is None]
            for key in () if lost else keys:
                frames += self.builder.add(key, readings[key], header=stamp, receive=stamp)
        frames += self.builder.poll(stamp + self._grace)
        return frames[-1] if frames else None

    def invalid(self, frame: Frame) -> tuple[str, ...]:
        """One sentence for each required stream that is not valid in `frame`."""
        return tuple(describe_invalid(self._contract, frame, self.builder.rejected))

    @staticmethod
    def _reading(key: str, readings: Mapping[str, Array | None]) -> Array | None:
        if key not in readings:
            raise ContractError(
                'the simulator has no such observation', where=key, allowed=sorted(readings)
            )
        return readings[key]
