"""What is known when a contract is held against a robot, and what each look at it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from il_ros.contracts.contract_replay import ContractNames, Replay
from il_ros.contracts.described_joints import RobotDescription
from il_ros.core.contract import Contract
from il_ros.core.seen_graph import SeenGraph, SeenTopic
from il_ros.core.streams import TopicStream

State = Literal['ok', 'wrong', 'not looked at']
Problem = tuple[str, str]
"""What is wrong, and what to do."""

SHARE = 0.02
"""Of all messages or ticks: as many may be of no use."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the table.

    Attributes:
        subject: What was looked at, as the contract's path where it has one.
        state: Whether it fits.
        text: What was found.
        fix: What to do where it does not.
    """

    subject: str
    state: State
    text: str
    fix: str = ''


@dataclass(frozen=True, kw_only=True)
class CheckInput:
    """A contract and what was seen of a robot.

    Attributes:
        contract: The contract, whose action is one of joints.
        seen: What was seen.
        names: The contract's topics there.
        replay: What the contract made of the messages.
        description: The robot's URDF; None where there is none.
        undescribed: Why there is none.
    """

    contract: Contract
    seen: SeenGraph
    names: ContractNames
    replay: Replay
    description: RobotDescription | None
    undescribed: str = ''

    def topic(self, stream: TopicStream) -> SeenTopic | None:
        """The topic of a stream, where there is such."""
        return self.seen.topics.get(self.names.absolute(stream.topic))


def fine(subject: str, text: str) -> Finding:
    """A line of what fits."""
    return Finding(subject=subject, state='ok', text=text)


def wrong(subject: str, problem: Problem) -> Finding:
    """A line of what does not."""
    return Finding(subject=subject, state='wrong', text=problem[0], fix=problem[1])


def unseen(subject: str, why: str) -> Finding:
    """A line of what could not be looked at."""
    return Finding(subject=subject, state='not looked at', text=why)


def most_frequent(counts: Mapping[str, int]) -> tuple[str, int]:
    """The most frequent text, and how often any came."""
    return (max(counts, key=lambda text: counts[text]), sum(counts.values())) if counts else ('', 0)


def split_error(problem: Exception, fix: str) -> Problem:
    """An error's text and what it says to do, or else `fix`."""
    text, _, own = str(problem).partition('; to fix: ')
    return text, own or fix
