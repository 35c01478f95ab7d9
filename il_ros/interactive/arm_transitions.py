"""Steps of an arm as frames of its contract: what a policy of the package is trained on.

On an arm a step's observation holds the contract's observations side by side, in its order and
nothing else, and an action is a chunk of H joint positions laid flat.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from il_ros.algorithms.transitions import ENDINGS, Transitions
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.core.frames import NS, Frame
from il_ros.core.limits import Array
from il_ros.datasets.dataset import Dataset
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.datasets.memory_dataset import dataset_of

Floats = NDArray[np.float32]


def observed(contract: Contract, frame: Frame) -> Array:
    """What a step on an arm observes, shape (D,); NaN where a stream is invalid."""
    return frame.vector(contract.observations)


def columns(contract: Contract) -> dict[str, slice]:
    """Where each of the contract's observations lies in a step's observation, by key."""
    places, at = {}, 0
    for key, stream in contract.observations.items():
        places[key] = slice(at, at + stream.size)
        at += stream.size
    return places


def dataset_of_steps(
    contract: Contract, task: str, steps: Transitions, *, labelled: bool
) -> tuple[Dataset, list[int]]:
    """Steps as a dataset in memory, with the expert's answers as its labels.

    What the policy did there is in it, for the record; training uses the labels instead
    (`algorithms/chunk_dataset.py`).

    Args:
        contract: What the observations and actions are.
        task: Name of the task, for the record.
        steps: Whole episodes.
        labelled: Whether to take the labelled steps alone.

    Returns:
        The dataset, and the number of each of its episodes in `steps`.

    Raises:
        DatasetError: If no step is labelled.
    """
    chosen = steps.labelled if labelled else np.ones(len(steps), np.bool_)
    numbers = [int(n) for n in dict.fromkeys(steps.episode[chosen].tolist())]
    if not numbers:
        raise DatasetError('no step has a label', where='training', fix='ask the expert more often')
    parts = []
    for number in numbers:
        rows = np.flatnonzero(steps.episode == number)
        ticks = np.flatnonzero(chosen[rows])
        parts.append(_episode(contract, task, steps.take(rows), ticks))
    return dataset_of(contract, parts), numbers


def _episode(
    contract: Contract, task: str, steps: Transitions, ticks: NDArray[np.intp]
) -> EpisodeArrays:
    """These ticks of one whole episode."""
    chosen, joints = steps.take(ticks), len(contract.action.names)
    values = _values(contract, chosen.observation)
    executed = chosen.executed[:, :joints]
    valid = {key: np.asarray(np.isfinite(column).all(axis=1)) for key, column in values.items()}
    valid |= {key: np.zeros(len(ticks), np.bool_) for key in contract.images}
    return EpisodeArrays(
        entry=EpisodeEntry(
            id=f'{task}_{int(steps.round[0])}_{int(steps.episode[0])}',
            start=0,
            length=len(ticks),
            outcome='success' if succeeded(steps) else 'failure',
            task=task,
        ),
        values=values,
        valid=valid,
        age={key: np.where(told, 0.0, np.nan).astype(np.float32) for key, told in valid.items()},
        stamp=NS + np.round(ticks * contract.period * NS).astype(np.int64),
        action=executed,
        action_raw=executed,
        source=chosen.source,
        label=chosen.expert.reshape(len(ticks), -1, joints),
        images={key: (b'',) * len(ticks) for key in contract.images},
    )


def succeeded(steps: Transitions) -> bool:
    """Whether these steps, of one whole episode, end in success."""
    return bool(ENDINGS[int(steps.ending[-1])] == 'success')


def _values(contract: Contract, observation: Floats) -> Mapping[str, Floats]:
    """Observations by key; what only experts see was not recorded and is NaN."""
    seen = {key: observation[:, place] for key, place in columns(contract).items()}
    count = len(observation)
    hidden = {
        key: np.full((count, stream.size), np.nan, np.float32)
        for key, stream in contract.privileged.items()
    }
    return {**seen, **hidden}
