"""What a dataset holds, in numbers: `datasets` computes it, `evaluation` shows it.

Plain values only, so that the two know nothing of each other. NaN stands for what was not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from il_ros.core.limits import Array


@dataclass(frozen=True, kw_only=True)
class EpisodeSummary:
    """One episode, and what is odd about it.

    Attributes:
        id: The episode's id.
        index: Its place in the dataset.
        task: Task's name.
        outcome: How it ended.
        frames: How many frames it has.
        duration: From its first frame to its last [s].
        gaps: Places where more than one and a half periods lie between two frames.
        left_out: Frames that the dataset leaves out of it.
        jerk: Root mean square of the commanded jerk, each joint over its limit [1].
        saturated: Share of frames whose command is at a position or speed limit.
        invalid: Share of frames in which the stream that is worst off is not valid.
        lost: Messages that its bag lost, all topics together; NaN where the bag is not there.
        nearest: Index of the episode most like it; -1 where none was compared.
        nearest_distance: How far that one is, in standard deviations of the state.
        flagged: Whether the operator flagged it.
        notes: What the operator wrote.
        bag: Folder that it came from.
        findings: What is odd about its messages and numbers.
        reasons: Why it should be looked at; empty where nothing is odd.
    """

    id: str
    index: int
    task: str = ''
    outcome: str = 'unknown'
    frames: int
    duration: float
    gaps: int = 0
    left_out: int = 0
    jerk: float = np.nan
    saturated: float = np.nan
    invalid: float = 0.0
    lost: float = np.nan
    nearest: int = -1
    nearest_distance: float = np.nan
    flagged: bool = False
    notes: str = ''
    bag: str = ''
    findings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StreamSummary:
    """One stream of numbers or of images, over the frames that were looked at.

    Attributes:
        key: The contract's key.
        topic: Where it comes from.
        kind: `observation`, `privileged` or `image`.
        required: Whether a frame without it is unusable.
        expected: Rate by the contract [Hz]; 0 when samples come only now and then.
        bag_rate: Median of the rates in the bags [Hz]; NaN where no bag is there.
        rate: New samples per second at the frames [Hz]; never above the frames' own rate.
        age_median: Median age of the sample at the frame [s].
        age_p95: 95th percentile of the age [s].
        valid: Share of frames in which it is valid.
        lost: Messages that the bags lost; NaN where no bag is there.
    """

    key: str
    topic: str
    kind: str
    required: bool
    expected: float
    bag_rate: float = np.nan
    rate: float = np.nan
    age_median: float = np.nan
    age_p95: float = np.nan
    valid: float = np.nan
    lost: float = np.nan


@dataclass(frozen=True, kw_only=True)
class JointSummary:
    """Commands of one joint over the sampled frames.

    Attributes:
        name: The joint.
        lower: Its lower position limit [rad or m].
        upper: Its upper position limit [rad or m].
        edges: Borders of the histogram's bins [rad or m], shape (B + 1,).
        counts: Commands in each bin, shape (B,).
        outside: Commands beyond a limit.
    """

    name: str
    lower: float
    upper: float
    edges: Array
    counts: Array
    outside: int


@dataclass(frozen=True, kw_only=True)
class FeatureSummary:
    """The spread of one number of an observation or of the action.

    Attributes:
        key: The contract's key, or `action`.
        name: Which number of it.
        mean: Mean.
        std: Standard deviation.
        min: Smallest.
        max: Largest.
        quantiles: Value by quantile, as text ('0.5').
    """

    key: str
    name: str
    mean: float
    std: float
    min: float
    max: float
    quantiles: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How the episodes lie in the space of states, each state divided by its spread.

    Attributes:
        episodes: Indices of the episodes that were compared, shape (E,).
        nearest: Index of the episode most like each, shape (E,); -1 if there is no other.
        distance: How far that one is, in standard deviations, shape (E,); NaN if there is no other.
        points: The two leading principal components of states, shape (P, 2).
        progress: How far in its episode each point lies (0 to 1), shape (P,).
        starts: The same components of the first state of each episode, shape (E, 2).
        ends: The same of the last state, shape (E, 2).
        explained: Share of the variance that each of the two components has.
        duplicate: Distance below which two episodes are the same.
    """

    episodes: NDArray[np.int64]
    nearest: NDArray[np.int64]
    distance: Array
    points: Array
    progress: Array
    starts: Array
    ends: Array
    explained: tuple[float, float]
    duplicate: float


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A small image of one moment of an episode.

    Attributes:
        camera: The contract's key.
        episode: Index of the episode.
        moment: `first`, `middle` or `last`.
        jpeg: The image; empty where the frame has none.
    """

    camera: str
    episode: int
    moment: str
    jpeg: bytes


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What a dataset holds.

    Attributes:
        name: Name of its folder.
        contract: Name of its contract.
        contract_hash: Hash of the contract (hex).
        data_hash: Hash of the data (hex).
        rate: Frames per second [Hz].
        frames: Frames of all episodes.
        duration: Time from first to last frame, of all episodes together [s].
        outcomes: Episodes by outcome.
        tasks: Episodes by task.
        sources: Share of the frames by who was in control.
        episodes: Episodes, the oddest first.
        left_out: Reason by bag or episode that is not in the dataset, as (name, reason).
        streams: Streams in the contract's order.
        joints: Commanded joints in the contract's order.
        features: Every number of every observation and of the action.
        coverage: How the episodes lie in the space of states; none where they cannot be compared.
        thumbnails: Images of some moments.
        steps: What every step of the preprocessing did, in numbers by name.
        notes: What was sampled instead of looked at in full, in words.
        versions: What made the dataset.
    """

    name: str
    contract: str
    contract_hash: str
    data_hash: str
    rate: float
    frames: int
    duration: float
    outcomes: Mapping[str, int]
    tasks: Mapping[str, int]
    sources: Mapping[str, float]
    episodes: tuple[EpisodeSummary, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    streams: tuple[StreamSummary, ...] = ()
    joints: tuple[JointSummary, ...] = ()
    features: tuple[FeatureSummary, ...] = ()
    coverage: Coverage | None = None
    thumbnails: tuple[Thumbnail, ...] = ()
    steps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
