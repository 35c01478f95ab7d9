"""Notes that a reader needs before trusting the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from il_ros.evaluation.failure_detection import Groups, case_key, pair_up
from il_ros.evaluation.suites import SEEDS, SUITES

_SEEN = ('demonstrations', 'calibration', 'corrections')


def notes_on(groups: Groups) -> list[str]:
    """List what is missing, unpaired, or makes the result look better than it is."""
    notes = [f'{suite}: no episode was run.' for suite in SUITES if not groups[suite]]
    notes += [*_already_seen(groups), *_unpaired(groups)]
    count = sum(episode.fallback for episode in groups['ood_unwatched'])
    if count:
        notes.append(
            f'ood_unwatched: {count} episodes fell back although no monitor should have run; '
            'they do not show what the policy does alone.'
        )
    tasks = sorted({episode.task for group in groups.values() for episode in group})
    if len(tasks) > 1:
        notes.append(f'The rates mix the tasks {", ".join(tasks)}.')
    return notes


def seed_ranges(seeds: Sequence[int]) -> str:
    """Write seeds for a reader: '300000-300049, 300060'."""
    runs: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1][1:] = [seed]
        else:
            runs.append([seed])
    return ', '.join('-'.join(map(str, run)) for run in runs)


def _already_seen(groups: Groups) -> Iterator[str]:
    for suite in ('nominal', 'ood'):
        for part in _SEEN:
            seen = sorted({e.seed for e in groups[suite]} & set(SEEDS[part]))
            if seen:
                yield (
                    f'{suite}: {len(seen)} seeds belong to the {part} '
                    f'({seed_ranges(seen)}): success on them may be memory.'
                )


def _unpaired(groups: Groups) -> Iterator[str]:
    watched, unwatched = groups['ood'], groups['ood_unwatched']
    pairs = pair_up(watched, unwatched)
    for suite, group in (('ood', watched), ('ood_unwatched', unwatched)):
        if len(group) > len(pairs) and watched and unwatched:
            paired = {case_key(pair.watched) for pair in pairs}
            single = [e.seed for e in group if case_key(e) not in paired]
            yield (
                f'{suite}: {len(single)} episodes have no partner and do not count for '
                f'detection: seeds {seed_ranges(single)}.'
            )
    if pairs and not any(pair.failed for pair in pairs):
        yield 'ood: the policy failed no perturbed episode, so detection was not tested.'
