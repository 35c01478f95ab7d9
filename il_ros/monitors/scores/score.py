"""What a score sees, learns from, answers, and how it comes back from a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array

InputPart = Literal['features', 'embedding', 'chunk', 'samples', 'reference']


@dataclass(frozen=True, kw_only=True)
class ScoreInput:
    """One tick as the scores see it; None stands for what is not known.

    Attributes:
        time: Stamp of the observation [s].
        features: Normalised features of the observation, shape (D,).
        embedding: What the policy makes of it in its last hidden layer, shape (E,).
        position: Measured joint positions, shape (N,) [rad or m].
        chunk: The policy's newest answer: joint positions, shape (H, N) [rad or m].
        chunk_time: Stamp of the observation that the chunk answers [s].
        step_dt: Time between the chunk's steps [s]; step i is due ``chunk_time + (i+1) step_dt``.
        samples: Several answers to the same observation, from a policy that draws them, shape
            (S, H, N) [rad or m].
        reference: What a simple backup heuristic would do, shape (H, N) [rad or m].
    """

    time: float
    features: Array | None = None
    embedding: Array | None = None
    position: Array | None = None
    chunk: Array | None = None
    chunk_time: float = 0.0
    step_dt: float = 0.0
    samples: Array | None = None
    reference: Array | None = None


@dataclass(frozen=True, kw_only=True)
class NominalData:
    """Nominal data: the frames that the policy was trained on, episode after episode.

    Attributes:
        features: Shape (F, D), as in `ScoreInput.features`; or the policy's embeddings, where the
            score is asked to look at those instead.
        lengths: Frames of each episode, in order; their sum is F.
        position: Measured joint positions, shape (F, N) [rad or m].
        chunks: What the expert did next, shape (F, H, N) [rad or m]; the last step repeats at an
            episode's end.
        seed: Seed of whatever a fit draws.
    """

    features: Array
    lengths: Sequence[int]
    position: Array
    chunks: Array
    seed: int = 0

    @property
    def spread(self) -> Array:
        """How far a chunk goes from the measured position, standard deviation, (N,) [rad or m].

        At least a thousandth, below which a joint counts as not moved at all.
        """
        deviation: Array = (self.chunks - self.position[:, None]).std(axis=(0, 1))
        return np.maximum(deviation, 1e-3)

    @property
    def actions(self) -> Array:
        """Chunks as changes from the measured position, in units of their spread, (F, H, N)."""
        return (self.chunks - self.position[:, None]) / self.spread


class Score(ABC):
    """A nonconformity score; larger is more anomalous.

    It is made of the arrays that it learned. A subclass says what they are in `_shapes`, hands
    those of a fit to `_learn`, and takes them in by `_use`, after a fit as after loading. It
    constructs with no arguments, so that a name in `SCORES` is enough to fit one.

    Attributes:
        needs: Which parts of a `ScoreInput` it cannot do without.
    """

    needs: ClassVar[tuple[InputPart, ...]] = ('features',)
    _where: ClassVar[str]  # its name, for errors
    _shapes: ClassVar[Mapping[str, str]]  # of its arrays by name, as `load_arrays` takes them

    def __init__(self) -> None:
        shapes = self._shapes.values()
        self._learn([np.zeros([int(letter == 'K') for letter in shape]) for shape in shapes])

    @abstractmethod
    def fit(self, nominal: NominalData) -> Self:
        """Learn from nominal data; returns itself.

        Raises:
            IlRosError: If the data are not finite, or do not belong together.
        """

    @abstractmethod
    def score(self, score_input: ScoreInput) -> float:
        """Nonconformity of this tick; NaN where a part is not known, or two have to be compared.

        Raises:
            IlRosError: If a part has another shape than what the score was fitted to.
        """

    def reset(self) -> None:  # noqa: B027 - most scores have no memory
        """Forget earlier ticks, as at the beginning of an episode."""

    def arrays(self) -> dict[str, Array]:
        """What was learned, by the names of `_shapes`, to be saved as safetensors."""
        return dict(self._learned)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Self:
        """The score whose `arrays` were saved.

        Raises:
            IlRosError: If an array is missing or the shapes do not belong together.
        """
        return cls()._learn(load_arrays(arrays, cls._where, **cls._shapes))

    def _learn(self, arrays: Sequence[Array]) -> Self:
        self._learned = dict(zip(self._shapes, arrays, strict=True))
        self._use(arrays)
        return self

    @abstractmethod
    def _use(self, arrays: Sequence[Array]) -> None:
        """Be the score of these arrays, in the order of `_shapes`; before a fit they are empty."""


SCORES = {
    'mahalanobis': 'il_ros.monitors.scores.mahalanobis:Mahalanobis',
    'clustered_mahalanobis': 'il_ros.monitors.scores.clusters:ClusteredMahalanobis',
    'knn': 'il_ros.monitors.scores.knn:NearestNeighbours',
    'rnd': 'il_ros.monitors.scores.rnd:RandomNetworkDistillation',
    'flow': 'il_ros.monitors.scores.flow:FlowDensity',
    'ensemble': 'il_ros.monitors.scores.ensemble:EnsembleDisagreement',
    'tce': 'il_ros.monitors.scores.tce:TemporalConsistency',
    'stac': 'il_ros.monitors.scores.stac:Stac',
    'cusum': 'il_ros.monitors.scores.cusum:InputDrift',
    'deviation': 'il_ros.monitors.scores.deviation:HeuristicDeviation',
}
"""Scores by name; third parties use entry points of the group `il_ros.score`."""


def load_arrays(arrays: Mapping[str, Array], where: str, **shapes: str) -> list[Array]:
    """Saved arrays, checked, in double precision and in the order of `shapes`.

    Args:
        where: Name of the score, for the error.
        shapes: By name, a letter for each dimension, as in ``whitenings='KDD'``; one letter is
            one number throughout, never zero.

    Raises:
        IlRosError: If one is missing, not finite, or the shapes do not belong together.
    """
    if missing := sorted(set(shapes) - set(arrays)):
        raise IlRosError(f'{", ".join(missing)} missing', where=where, allowed=sorted(shapes))
    if other := [name for name in shapes if arrays[name].dtype.kind != 'f']:
        raise IlRosError(f'{", ".join(other)} of another type', where=where, allowed='floats')
    loaded = {name: np.asarray(arrays[name], dtype=np.float64) for name in shapes}
    if not _agree(loaded, shapes):
        raise IlRosError(
            f'{" and ".join(f"{n} {a.shape}" for n, a in loaded.items())} do not belong together',
            where=where,
            allowed=' and '.join(_text(letters) for letters in shapes.values()),
        )
    if broken := [name for name, array in loaded.items() if not np.isfinite(array).all()]:
        raise IlRosError(f'{", ".join(broken)} not finite', where=where, allowed='finite numbers')
    return list(loaded.values())


def _agree(loaded: Mapping[str, Array], shapes: Mapping[str, str]) -> bool:
    sizes: dict[str, int] = {}
    for name, letters in shapes.items():
        if loaded[name].ndim != len(letters):
            return False
        for letter, size in zip(letters, loaded[name].shape, strict=True):
            if size == 0 or sizes.setdefault(letter, size) != size:
                return False
    return True


def _text(letters: str) -> str:
    return f'({", ".join(letters)}{"," if len(letters) == 1 else ""})'
