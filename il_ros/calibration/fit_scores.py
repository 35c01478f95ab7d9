"""Scores fitted to the frames that a policy was trained on, and what they say of episodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.core.registry import lookup, names_of
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.window_loader import FrameIndex
from il_ros.monitors.calibrated_scores import WINDOW, FittedScores, NoveltyFeatures
from il_ros.monitors.score_bank import Channel, Spec
from il_ros.monitors.scores.score import SCORES, NominalData, Score, ScoreInput
from il_ros.policies.policy import Policy
from il_ros.policies.score_inputs import ScoreInputs

DEFAULT_CHANNELS: tuple[Spec, ...] = (
    ('knn_embedding', 'knn', 'embedding'),
    ('flow', 'flow', 'observation'),
    ('ensemble', 'ensemble', 'observation'),
    ('tce', 'tce', 'observation'),
)
"""The scores that a policy is watched with, where none other are asked for: name, kind, input.

One of each kind: whether the policy has been in such a state, whether there are such observations,
whether one can tell what the expert would do, and whether the policy keeps to what it said.
"""

_EMBEDDING = '_embedding'


def channels_named(names: Iterable[str], where: str = 'score_channels') -> tuple[Spec, ...]:
    """The channels of these names, each with the name that was given.

    Args:
        names: A kind of score, such as `flow`, which reads the observation; or a kind with
            `_embedding` appended, such as `knn_embedding`, which reads the policy's embedding.
        where: The setting that holds the names, for the error.

    Raises:
        UnknownNameError: If a kind of score is not known; it lists every kind.
        IlRosError: If a name is given twice, or a score that reads no features is to read the
            embedding.
    """
    kinds, specs = names_of('score', SCORES), []
    for name in names:
        if name in kinds or not name.endswith(_EMBEDDING):
            lookup('score', name, SCORES)
            spec: Spec = (name, name, 'observation')
        else:
            kind = name.removesuffix(_EMBEDDING)
            if 'features' not in lookup('score', kind, SCORES).needs:
                raise IlRosError(
                    f'{name!r}: {kind!r} reads no features', where=where, allowed=[kind]
                )
            spec = (name, kind, 'embedding')
        if spec in specs:
            raise IlRosError(f'{name!r} is given twice', where=where, allowed='different names')
        specs.append(spec)
    return tuple(specs)


def fit_bank(
    policy: Policy,
    dataset: Dataset,
    episodes: Iterable[int],
    channels: Sequence[Spec] | None = None,
    seed: int = 0,
) -> FittedScores:
    """Fit scores to the episodes (indices) that a policy was trained on.

    Args:
        dataset: What it was trained on.
        channels: Which scores, and what each one looks at; by default `DEFAULT_CHANNELS`, without
            `tce` where a chunk is one step, so that two of them have nothing in common.
        seed: Seed of whatever a fit draws.

    Raises:
        UnknownNameError: If a kind of score is not known.
        IlRosError: If a score looks at an embedding that the policy does not have, or cannot be
            fitted.
    """
    chosen = list(episodes)
    rows = dataset.rows(chosen)
    values = {key: dataset.values[key][rows] for key in dataset.contract.observations}
    features = NoveltyFeatures.fit(dataset.contract, values)
    horizon = _horizon(policy, dataset, chosen)
    if channels is None:
        channels = [spec for spec in DEFAULT_CHANNELS if horizon > 1 or spec[1] != 'tce']
    seen = {'observation': features.blur(features.of_arrays(values), seed)}
    if any(on == 'embedding' for _, _, on in channels):
        seen['embedding'] = _embeddings(policy, dataset, chosen)
    nominal = {
        on: NominalData(
            features=array,
            lengths=[dataset.episodes[i].length for i in chosen],
            position=_positions(dataset, rows),
            chunks=_chunks(dataset, rows, horizon),
            seed=seed,
        )
        for on, array in seen.items()
    }
    fitted = []
    for name, kind, on in channels:
        score: Score = lookup('score', kind, SCORES)()
        fitted.append(Channel(name=name, kind=kind, on=on, score=score.fit(nominal[on])))
    return FittedScores(features=features, channels=tuple(fitted), horizon=horizon)


def traces(
    scores: FittedScores,
    policy: Policy,
    dataset: Dataset,
    episodes: Iterable[int],
    window: int = WINDOW,
) -> list[Array]:
    """Averaged scores (T, K) of each of these episodes, the policy answering them anew."""
    bank, inputs = scores.bank(window), ScoreInputs.of_scores(policy, scores)
    return [bank.trace(episode_inputs(inputs, policy, dataset, i)) for i in episodes]


def episode_inputs(
    inputs: ScoreInputs, policy: Policy, dataset: Dataset, index: int
) -> list[ScoreInput]:
    """The score inputs of an episode of a dataset, as if the policy had been there.

    The policy answers each frame anew where a score looks at answers; its memory is cleared
    before that. Times are counted from the first frame.
    """
    frames = list(frames_of_episode(dataset, index))
    epoch = frames[0].stamp if frames else 0
    policy.reset()
    return [_answered(inputs, policy, frame, epoch) for frame in frames]


def _answered(inputs: ScoreInputs, policy: Policy, frame: Frame, epoch: int) -> ScoreInput:
    if not inputs.needs & {'chunk', 'samples'}:
        return inputs.of_frame(frame, epoch=epoch)
    chunk, time = policy.act(frame), (frame.stamp - epoch) / NS
    return inputs.of_frame(frame, chunk, time, samples=policy.samples(), epoch=epoch)


def _horizon(policy: Policy, dataset: Dataset, episodes: Sequence[int]) -> int:
    """Steps of the policy's chunks: as many as it answers."""
    frame = next(frames_of_episode(dataset, episodes[0]))
    policy.reset()
    horizon = len(policy.act(frame))
    policy.reset()
    return horizon


def _positions(dataset: Dataset, rows: NDArray[np.int64]) -> Array:
    keys = dataset.contract.action.position
    return np.concatenate([dataset.values[key][rows] for key in keys], axis=1).astype(np.float64)


def _chunks(dataset: Dataset, rows: NDArray[np.int64], horizon: int) -> Array:
    """What was commanded from each frame on, shape (F, H, N); the last known step repeats.

    Where an expert was asked, it is the answer that counts: the policy's own commands are not what
    is normal.
    """
    following = FrameIndex(dataset).following(rows, horizon).rows
    chunks = np.asarray(dataset.action[following], dtype=np.float64)
    if dataset.label is None:
        return chunks
    labels = dataset.label[rows, :horizon]
    answered = np.isfinite(labels).all(axis=(1, 2), keepdims=True)
    return np.where(answered, labels, chunks)


def _embeddings(policy: Policy, dataset: Dataset, episodes: Sequence[int]) -> Array:
    found = [policy.embedding(f) for i in episodes for f in frames_of_episode(dataset, i)]
    known = [embedding for embedding in found if embedding is not None]
    if len(known) < len(found) or not known:
        raise IlRosError(
            f'a policy of kind {policy.kind!r} has no embedding',
            where='score_channels',
            fix='name scores without _embedding, such as knn',
        )
    return np.stack(known)


def frames_of_episode(dataset: Dataset, index: int) -> Iterator[Frame]:
    """The frames of an episode as the policy saw them, without their images."""
    keys, rows = list(dataset.contract.observations), dataset.rows([index])
    columns = {key: i for i, key in enumerate(dataset.valid)}
    values = {key: np.asarray(dataset.values[key][rows], dtype=np.float64) for key in keys}
    valid = {key: np.asarray(dataset.valid[key][rows]) for key in keys}
    age: NDArray[Any] = np.asarray(dataset.age[rows])
    for i, stamp in enumerate(np.asarray(dataset.stamp[rows]).tolist()):
        yield Frame(
            stamp=stamp,
            values={key: values[key][i] for key in keys},
            valid={key: bool(valid[key][i]) for key in keys},
            age={key: float(age[i, columns[key]]) for key in keys},
        )
