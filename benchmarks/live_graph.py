"""Live runs: a graph in real time, episode after episode, and what its nodes need.

What was run is kept line by line in the folder of the run, and used again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from il_ros.msg import ActionChunk, MonitorStatus

from benchmarks.demonstrations import CONTRACT
from benchmarks.fault_referee import LIMITED
from benchmarks.fault_rig import Rig
from il_ros.cli.running_graph import graph
from il_ros.core import topics
from il_ros.core.contract import load_contract
from il_ros.core.errors import IlRosError
from il_ros.core.frames import NS
from il_ros.launching.child_process import signal_group
from il_ros.ros.message_conversion import to_ns
from il_ros.ros.qos import CHUNKS

LIVE = ('simulator', 'policy', 'monitor', 'flight_recorder', 'recorder')
EVERY = (*LIVE, 'expert', 'trainer', 'teleop', 'coach')
BUSY = 2  # loops beside a live run
LONGEST = 60.0
"""How long an episode may take [s of the wall]."""

_SETTLE = 2.0  # s until a node that has just begun is idle
_STOPPED = (MonitorStatus.ALARM, MonitorStatus.FALLBACK)
_LOOP = 'while True: pass'
_KEPT = 5  # s of answers that are kept from before an episode


class Lines:
    """Results in a file, one JSON object a line; what is there already is not run again."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        text = path.read_text(encoding='utf-8') if path.exists() else ''
        # A line that a crash cut short is dropped.
        self.all: list[dict[str, Any]] = [
            json.loads(line) for line in text.splitlines(keepends=True) if line.endswith('\n')
        ]

    def add(self, line: dict[str, Any]) -> None:
        """Keep one more."""
        self.all.append(line)
        text = ''.join(f'{json.dumps(each)}\n' for each in self.all)
        self._path.write_text(text, encoding='utf-8')


class Answers:
    """Which frame that the policy drove had an answer in time, and why another had none."""

    def __init__(self, rig: Rig) -> None:
        self._chunks: dict[int, float] = {}
        self._executed: dict[int, float] = {}
        subscribe = rig.node.create_subscription
        subscribe(ActionChunk, f'/{topics.POLICY_CHUNK}', self._on_chunk, CHUNKS)
        subscribe(ActionChunk, '/monitor/executed', self._on_executed, CHUNKS)
        self._period = load_contract(CONTRACT).period

    def begin(self) -> None:
        """Count no frame of before; answers to the first ones may have come already."""
        self._executed.clear()
        newest = max(self._chunks, default=0)
        self._chunks = {s: at for s, at in self._chunks.items() if newest - s < _KEPT * NS}

    def count(self) -> Counter[str]:
        """Frames by how they were answered.

        `late`: the answer came after the tick. `skipped`: the policy was at work on an earlier
        frame and went on with a later one. `unexplained`: neither.
        """
        found: Counter[str] = Counter()
        stamps = sorted(self._chunks)
        for stamp, ticked in self._executed.items():
            came = self._chunks.get(stamp)
            if came is not None:
                found['answered' if came <= ticked else 'late'] += 1
                continue
            before = max((other for other in stamps if other < stamp), default=None)
            busy = before is not None and self._chunks[before] - before / NS > self._slack()
            later = any(other > stamp for other in stamps)
            found['skipped' if busy and later else 'unexplained'] += 1
        return found

    def _slack(self) -> float:
        """How long an answer usually takes, by the clocks of the wall and of the simulation [s]."""
        ages = [came - other / NS for other, came in self._chunks.items()]
        return median(ages) + self._period / 2

    def _on_chunk(self, message: ActionChunk) -> None:
        self._chunks.setdefault(to_ns(message.header.stamp), time.monotonic())

    def _on_executed(self, message: ActionChunk) -> None:
        if message.source == ActionChunk.POLICY:
            self._executed.setdefault(to_ns(message.header.stamp), time.monotonic())


def memory(pid: int) -> float:
    """What a process holds [MB]."""
    status = Path(f'/proc/{pid}/status').read_text(encoding='utf-8')
    return int(status.partition('VmRSS:')[2].split()[0]) / 1024


def cpu_time(pid: int) -> float:
    """Processor time that a process has used [s]."""
    fields = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def idle_cpu(rig: Rig, seconds: float) -> dict[str, float]:
    """Share of a core that each node uses while nobody drives.

    Raises:
        IlRosError: If a node ends.
    """
    rig.tidy()
    rig.spin(_SETTLE)
    before, begin = _cpu_times(rig), time.monotonic()
    time.sleep(seconds)  # the client would be one more reader
    after, elapsed = _cpu_times(rig), time.monotonic() - begin
    if before.keys() != after.keys():
        raise IlRosError('a node ended', where=f'{sorted(before.keys() - after.keys())}')
    return {name: (after[name] - before[name]) / elapsed for name in after}


def _cpu_times(rig: Rig) -> dict[str, float]:
    return {name: cpu_time(pid) for name, pid in rig.processes.items()}


def episode(rig: Rig, answers: Answers, seed: int, longest: float) -> dict[str, Any]:
    """One episode of the policy in real time, from the reset to a rest."""
    rig.drive('policy', seed)
    answers.begin()
    begin, reason, referee = time.monotonic(), '', rig.referee

    def over() -> bool:
        nonlocal reason
        stopped = referee.status.mode in _STOPPED
        reason = reason or (referee.status.reason if stopped else '')
        return bool(referee.task.done) or referee.status.mode in (
            MonitorStatus.ALARM,
            MonitorStatus.HOLD,
            MonitorStatus.IDLE,
        )

    rig.spin(0.2)  # the task's state of this episode, not of the one before
    rig.wait(over, longest)
    found, success = answers.count(), bool(referee.task.success)
    rig.tidy()
    return {
        'seed': seed,
        'success': success,
        'alarm': bool(reason),
        'reason': reason,
        'seconds': time.monotonic() - begin,
        'violations': {kind: referee.counts.get(kind, 0) for kind in LIMITED},
        'frames': dict(found),
        'memory': {name: memory(pid) for name, pid in rig.processes.items()},
    }


def live_run(
    rig: Rig, lines: Lines, seeds: Sequence[int], minutes: float, longest: float = LONGEST
) -> None:
    """Episode after episode, of so many seconds at most, with busy loops beside it."""
    answers, segment = Answers(rig), 1 + max((one['segment'] for one in lines.all), default=0)
    with _busy(rig):
        while sum(one['seconds'] for one in lines.all) < 60 * minutes:
            seed = seeds[len(lines.all) % len(seeds)]
            lines.add({'segment': segment, **episode(rig, answers, seed, longest)})
            one = lines.all[-1]
            print(f'live {seed}: {one["success"]} {one["reason"]} {one["frames"]}', flush=True)


@contextmanager
def _busy(rig: Rig) -> Iterator[None]:
    loops = [rig.run([sys.executable, '-c', _LOOP]) for _ in range(BUSY)]
    try:
        yield
    finally:
        for loop in loops:
            signal_group(loop, signal.SIGKILL)
            loop.wait(LONGEST)


def summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Figures of a live run.

    Returns:
        `violations`, `unexplained` and `late` or `skipped` frames, `minutes`, `episodes`,
        `successes`, `alarms`; and `growth`, by how much the node that grew most did from the
        second third of a run on [MB].
    """
    frames: Counter[str] = Counter()
    for one in lines:
        frames.update(one['frames'])
    return {
        'violations': sum(sum(one['violations'].values()) for one in lines),
        **{kind: float(frames[kind]) for kind in ('answered', 'late', 'skipped', 'unexplained')},
        'minutes': sum(one['seconds'] for one in lines) / 60,
        'episodes': len(lines),
        'successes': sum(one['success'] for one in lines),
        'alarms': sum(one['alarm'] for one in lines),
        'growth': _growth(lines),
    }


def _growth(lines: Sequence[Mapping[str, Any]]) -> float:
    """Of each uninterrupted run, between the medians of its second and its last third [MB]."""
    worst = 0.0
    for segment in {one['segment'] for one in lines}:
        rows = [one['memory'] for one in lines if one['segment'] == segment]
        third = len(rows) // 3
        for name in rows[0] if third else ():
            middle = median(row[name] for row in rows[third : 2 * third])
            worst = max(worst, median(row[name] for row in rows[-third:]) - middle)
    return worst


def in_real_time(rig: Rig, lines: Lines, seeds: Sequence[int], longest: float = LONGEST) -> None:
    """The episodes of these seeds that are missing."""
    answers, done = Answers(rig), {one['seed'] for one in lines.all}
    for seed in seeds:
        if seed not in done:
            lines.add(episode(rig, answers, seed, longest))
            print(f'real time {seed}: {lines.all[-1]["success"]}', flush=True)


def in_lock_step(
    bundle: Path, log: Path, lines: Lines, seeds: Sequence[int], *, calibrated: bool
) -> None:
    """The same in lock-step, on a graph of its own."""
    left = [seed for seed in seeds if seed not in {one['seed'] for one in lines.all}]
    if not left:
        return
    os.environ.pop('ROS_DOMAIN_ID', None)
    with graph(CONTRACT, start=True, log=log, directory=log / 'episodes') as client:
        client.load(bundle)
        with client.watching(novelty=calibrated):
            for seed in left:
                found = client.episode(seed, 'policy')
                alarm = found.trace.alarm is not None
                lines.add({
                    'seed': seed, 'success': bool(found.state.success), 'alarm': alarm,
                    'reason': found.trace.reason,
                })  # fmt: skip


def difference(
    one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """By how many points the shares of successes and of alarms differ, over the same seeds.

    Returns:
        `points`, the larger of both; the four shares; and how many episodes of `success` or
        `alarm` are other than their partner.
    """
    partners = {line['seed']: line for line in other}
    pairs = [(line, partners[line['seed']]) for line in one if line['seed'] in partners]
    found: dict[str, float] = {'pairs': len(pairs)}
    for key in ('success', 'alarm'):
        found[f'{key}_real_time'] = sum(a[key] for a, _ in pairs) / len(pairs)
        found[f'{key}_lock_step'] = sum(b[key] for _, b in pairs) / len(pairs)
        found[f'{key}_differ'] = sum(a[key] != b[key] for a, b in pairs)
    apart = (abs(found[f'{k}_real_time'] - found[f'{k}_lock_step']) for k in ('success', 'alarm'))
    return {'points': 100 * max(apart), **found}
