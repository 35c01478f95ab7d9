"""Filters a recorded episode, cuts it into parts, and leaves out what the quality rules name.

These are the three steps between alignment in time, which the frame builder does (core/frames.py),
and normalisation, which needs the whole dataset (feature_statistics.py). The result says what each
step did.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from il_ros.core.config import parse, read_yaml
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.episode_arrays import EpisodeArrays
from il_ros.datasets.manifest import EpisodeEntry, LeftOut
from il_ros.datasets.preprocessing.action_filter import ActionFilter, check_filter, filter_actions
from il_ros.datasets.preprocessing.joint_motion import Range, contiguous, gripper_joints
from il_ros.datasets.preprocessing.quality_measures import episode_measures, part_measures
from il_ros.datasets.preprocessing.quality_rules import (
    Quality,
    bound_reasons,
    check_streams,
    entry_reasons,
)
from il_ros.datasets.preprocessing.segmentation import (
    Segmentation,
    parts,
    session_rows,
    usable_rows,
)
from il_ros.datasets.preprocessing.step_effects import Effect, Effects, alignment_effect


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Settings of the steps; alignment in time is the contract's (`align` of each stream).

    Attributes:
        grippers: A joint with one of these words in its name is a gripper: it is not filtered,
            and may sit at its limits.
        filter: Low-pass filter of the actions.
        segmentation: Where an episode is cut.
        quality: What is left out.
    """

    grippers: tuple[str, ...] = ('gripper', 'finger', 'knuckle', 'jaw')
    filter: ActionFilter = field(default_factory=ActionFilter)
    segmentation: Segmentation = field(default_factory=Segmentation)
    quality: Quality = field(default_factory=Quality)

    def __post_init__(self) -> None:
        if not all(word.strip() for word in self.grippers):  # it would be in every joint's name
            raise ValueError('an empty word in grippers; allowed: parts of the names of joints')

    @property
    def hash(self) -> str:
        """SHA-256 of what the settings say, defaults included (hex)."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Preprocessed:
    """The result for one episode.

    Attributes:
        episodes: The parts that stay, in order.
        left_out: What is left out, and why: the whole episode, or some of its parts.
        effects: What each step did, by the names of step and measure; see
            docs/reference/datasets.md.
    """

    episodes: tuple[EpisodeArrays, ...]
    left_out: tuple[LeftOut, ...]
    effects: Effects


def load_preprocessing(path: Path | str) -> Preprocessing:
    """Read settings; a file holds what differs from the defaults, and may be empty.

    Raises:
        DatasetError: With the dotted path of what is wrong.
    """
    path = Path(path)
    data = read_yaml(path, DatasetError)
    return parse(Preprocessing, {} if data is None else data, where=path.name, error=DatasetError)


def check_settings(contract: Contract, settings: Preprocessing, kinds: Iterable[str]) -> None:
    """Refuse settings that fit no episode of a contract.

    Args:
        contract: The contract.
        settings: What the steps do.
        kinds: Kinds of events that there are; `kind N` is one that has no name yet.

    Raises:
        DatasetError: If they name a joint, a stream or a kind of event that there is not, or ask
            for a filter that the contract's rate does not allow.
    """
    check_streams(contract, settings.quality)
    check_filter(contract, settings.filter)
    cuts, known = settings.segmentation, tuple(kinds)
    for place, named in (('begin', (cuts.begin,)), ('end', (cuts.end,)), ('events', cuts.events)):
        for kind in named:
            if kind not in (*known, '') and not re.fullmatch(r'kind \d+', kind):
                raise DatasetError(
                    f'no kind of event {kind!r}', where=f'segmentation.{place}', allowed=known
                )


def preprocess(contract: Contract, episode: EpisodeArrays, settings: Preprocessing) -> Preprocessed:
    """Filter an episode, cut it into parts, and apply the quality rules.

    Args:
        contract: The contract it was made by.
        episode: Every frame of it, as conversion gives it.
        settings: What the steps do.

    Raises:
        DatasetError: If the settings name a joint or stream that the contract does not have, or
            ask for a filter that its rate does not allow.
    """
    check_streams(contract, settings.quality)
    grippers = gripper_joints(contract, settings.grippers)
    inside = session_rows(episode, settings.segmentation)
    session = episode.take(inside)
    usable = usable_rows(contract, session)
    kept, filtering = filter_actions(contract, session.take(usable), settings.filter, grippers)
    ranges, cuts = parts(contract, kept, settings.segmentation, grippers)
    whole = episode_measures(contract, session, kept)
    candidates = [
        replace(part, entry=replace(part.entry, measures=whole | measures))
        for part in _parts_as_episodes(contract, kept, ranges, inside[usable], episode.frames)
        for measures in (part_measures(contract, part, settings.segmentation.idle, grippers),)
    ]
    segmentation: Effect = {
        'frames': episode.frames,
        'outside_frames': episode.frames - session.frames,
        'unusable_frames': session.frames - kept.frames,
        **cuts,
        'parts': len(ranges),
    }
    taken, left_out, quality = _apply_rules(
        episode, candidates, segmentation, whole, settings.quality
    )
    return Preprocessed(
        episodes=taken,
        left_out=left_out,
        effects={
            'alignment': alignment_effect(contract, session),
            'filter': filtering,
            'segmentation': segmentation,
            'quality': quality,
        },
    )


def _apply_rules(
    episode: EpisodeArrays,
    candidates: list[EpisodeArrays],
    segmentation: Effect,
    whole: Mapping[str, float],
    settings: Quality,
) -> tuple[tuple[EpisodeArrays, ...], tuple[LeftOut, ...], Effect]:
    reasons = [*entry_reasons(episode.entry, settings), *bound_reasons(whole, settings)]
    if not candidates:
        reasons.append(_why_nothing(segmentation))
    taken, left_out = [], []
    if reasons:
        left_out.append(_leave_out(episode.entry, reasons))
    for part in candidates if not reasons else ():
        why = bound_reasons(part.entry.measures, settings)
        if why:
            left_out.append(_leave_out(part.entry, why))
        else:
            taken.append(part)
    return (
        tuple(taken),
        tuple(left_out),
        {
            'left_out_parts': len(candidates) - len(taken),
            'left_out_frames': sum(p.frames for p in candidates) - sum(p.frames for p in taken),
            'kept_frames': sum(part.frames for part in taken),
        },
    )


def _leave_out(entry: EpisodeEntry, reasons: list[str]) -> LeftOut:
    return LeftOut(bag=entry.bag, id=entry.id, reason=f'{entry.id}: {"; ".join(reasons)}')


def _why_nothing(effect: Effect) -> str:
    return (
        f'nothing is left of {effect["frames"]:.0f} frames: {effect["outside_frames"]:.0f} lie '
        f'outside begin and end, {effect["unusable_frames"]:.0f} lack an action or a required '
        f'stream, {effect["idle_frames"]:.0f} stand still, {effect["short_frames"]:.0f} are in '
        'parts shorter than min_length'
    )


def _parts_as_episodes(
    contract: Contract,
    kept: EpisodeArrays,
    ranges: list[Range],
    rows: NDArray[np.int64],
    frames: int,
) -> Iterator[EpisodeArrays]:
    """The `ranges` of `kept` as episodes; `rows` are where those of `kept` lay in all `frames`."""
    done, since = 0, -1
    for number, (start, stop) in enumerate(ranges, start=1):
        last = number == len(ranges)
        until = kept.stamp[-1] if last else kept.stamp[stop - 1]
        # What was left out counts for the part after it, what came last for the last one, so
        # that lengths and what was left out add up to the episode.
        end = frames if last else int(rows[stop - 1]) + 1
        entry = replace(
            kept.entry,
            id=kept.entry.id if len(ranges) == 1 else f'{kept.entry.id}.{number}',
            left_out=(kept.entry.left_out if number == 1 else 0) + end - done - (stop - start),
            gaps=len(contiguous(contract, kept.stamp[start:stop])) - 1,
        )
        events = tuple(e for e in kept.events if since < e.stamp and (last or e.stamp <= until))
        yield replace(kept.take(slice(start, stop), entry), events=events)
        done, since = end, int(until)
