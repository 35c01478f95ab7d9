"""``il_ros monitor``: calibrates the scores of a policy and replays recorded episodes."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

import tyro
from rich.table import Table

from il_ros.bags.bag_reader import EpisodeReader
from il_ros.calibration.calibrate import CalibrationConfig, calibrate_bundle
from il_ros.calibration.replay import Replay, Tick
from il_ros.calibration.replay import replay as replay_bag
from il_ros.cli.printing import Console, say
from il_ros.core.atomic_files import write_atomic
from il_ros.core.contract import Contract
from il_ros.core.errors import BundleError
from il_ros.core.frames import NS
from il_ros.datasets.dataset import load_dataset
from il_ros.monitors.conformal_thresholds import CalibrationRecord
from il_ros.monitors.monitor_config import MonitorConfig
from il_ros.policies.bundle import Bundle, load_bundle, read_info

_SAME = 1e-6  # ratios that differ less are the same


def calibrate(
    bundle: tyro.conf.Positional[Path],
    dataset: tyro.conf.Positional[Path],
    alpha: float = CalibrationConfig.alpha,
    warn_alpha: float = CalibrationConfig.warn_alpha,
    *,
    window: int = CalibrationConfig.window,
    varying: bool = CalibrationConfig.varying,
) -> int:
    """Set the monitor's thresholds for a policy by split conformal prediction.

    Use 60 or more successful rollouts in which only hard faults could stop the policy.

    Args:
        bundle: Bundle of the policy; only its thresholds change.
        dataset: Dataset of successful rollouts of this policy; no episode may be a training one.
        alpha: Accepted fraction of nominal episodes with a false alarm.
        warn_alpha: Accepted fraction of nominal episodes with a warning.
        window: Number of ticks over which the scores are averaged.
        varying: Use thresholds that vary over the episode, for tasks whose phases happen at about
            the same time in each episode.
    """
    data = load_dataset(dataset, load_bundle(bundle).contract, verify=True)
    config = CalibrationConfig(alpha=alpha, warn_alpha=warn_alpha, window=window, varying=varying)
    loaded, limit = calibrate_bundle(bundle, data, config, where=str(dataset))
    _say_limit(loaded, limit)
    say(f'bundle {read_info(bundle).identity}')
    return 0


def replay(
    bag: tyro.conf.Positional[Path],
    bundle: Path,
    json: Path | None = None,
) -> int:
    """Show when the monitor would have warned and stopped in a recorded episode, and why.

    Args:
        bag: The recorded episode.
        bundle: Calibrated bundle of a policy.
        json: JSON file with every tick.
    """
    loaded = load_calibrated(bundle)
    with EpisodeReader(bag, loaded.contract) as reader:
        found = replay_bag(reader, loaded, MonitorConfig())
    if json is not None:
        write_atomic(json, _dump(found, loaded))
    _say_replay(found)
    return 0


def load_calibrated(path: Path, contract: Contract | None = None) -> Bundle:
    """Load a bundle whose scores have thresholds.

    Raises:
        BundleError: If they have none, or as `load_bundle`.
    """
    bundle = load_bundle(path, contract)
    if bundle.calibration is None:
        raise BundleError(
            'is not calibrated',
            where=str(path),
            fix='run "il_ros monitor calibrate" on rollouts of its policy',
        )
    return bundle


def _say_limit(bundle: Bundle, limit: CalibrationRecord) -> None:
    assert bundle.scores is not None
    spent = len(limit.episodes) - len(limit.maxima)
    say(
        f'policy {bundle.policy_id}: {len(limit.maxima)} episodes for the threshold, {spent} for '
        'the scale of the scores'
    )
    thresholds = limit.thresholds
    for k, channel in enumerate(bundle.scores.channels):
        ticks = range(thresholds.loc.shape[1])
        stops = [thresholds.at(tick)[k] for tick in ticks]
        warns = [thresholds.at(tick, limit.warn)[k] for tick in ticks]
        say(
            f'{channel.name}: stops above {_span(stops)} (alpha {limit.alpha:g}), warns above '
            f'{_span(warns)} (alpha {limit.warn_alpha:g})'
        )
    odd, times = limit.odd
    if odd:
        Console().print(
            f'careful: {", ".join(odd)} set these thresholds, {times:.1f} times above what the '
            'other episodes would: look whether the policy had to try again there, and record '
            'more rollouts',
            style='yellow',
            soft_wrap=True,
        )


def _span(values: list[float]) -> str:
    low, high = f'{min(values):.3g}', f'{max(values):.3g}'
    return low if low == high else f'{low} to {high}'


def _say_replay(found: Replay) -> None:
    chunks = 'the chunks in the bag' if found.same_policy else "the bundle's own chunks, made anew"
    driven = sum(tick.driving for tick in found.ticks)
    say(f'{len(found.ticks)} frames, {driven} driven by the policy; {chunks}')
    table = Table('score', 'largest, of its threshold', 'at')
    for name, (share, seconds) in found.largest().items():
        table.add_row(name, f'{share:.2f}', f'{seconds:.2f} s')
    Console().print(table)
    for kind, text in (('warning', 'would have warned'), ('stop', 'would have stopped')):
        first = found.first(kind)
        when = f'at {found.seconds(first):.2f} s: {getattr(first, kind)}' if first else 'never'
        say(f'{text} {when}')
    say(_agreement(found))


def _agreement(found: Replay) -> str:
    if not found.reported:
        return 'the bag does not say what the monitor said then'
    first, then = found.first('stop'), found.stopped()
    now = first.stamp if first else None
    stops = 'the stop agrees'
    if now != then:
        stops = f'the stop differs: then {_moment(found, then)}, now {_moment(found, now)}'
    differences = found.differences()
    if not len(differences):
        return f'what the monitor said then: {stops}; no score to compare'
    same = int((differences <= _SAME).sum())
    return (
        f'what the monitor said then: {stops}; {same} of {len(differences)} scores agree, largest '
        f'difference {differences.max():.2g} of a threshold'
    )


def _moment(found: Replay, stamp: int | None) -> str:
    return 'never' if stamp is None else f'at {(stamp - found.ticks[0].stamp) / NS:.2f} s'


def _dump(found: Replay, bundle: Bundle) -> str:
    assert bundle.scores is not None
    first = {kind: found.first(kind) for kind in ('warning', 'stop')}
    data = {
        'policy_id': bundle.policy_id,
        'bundle_identity': bundle.identity,
        'channels': [channel.name for channel in bundle.scores.channels],
        'recorded_chunks': found.same_policy,
        'first_warning': _tick(first['warning']),
        'first_stop': _tick(first['stop']),
        'stopped_then': found.stopped(),
        'largest': {name: [_number(x) for x in pair] for name, pair in found.largest().items()},
        'ticks': [_tick(tick) for tick in found.ticks],
    }
    return json.dumps(data, indent=1, allow_nan=False) + '\n'


def _tick(tick: Tick | None) -> dict[str, Any] | None:
    if tick is None:
        return None
    reading = tick.reading
    return {
        'stamp': tick.stamp,
        'driving': tick.driving,
        'values': [_number(x) for x in reading.values],
        'thresholds': [_number(x) for x in reading.thresholds],
        'score': _number(reading.score),
        'exceeded': reading.exceeded,
        'triggered': reading.triggered,
        'warned': reading.warned,
        'stop': tick.stop,
        'warning': tick.warning,
    }


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None
