"""The verdict of an evaluation in sentences, with failures as visible as successes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from il_ros.evaluation.intervals import Rate, percent


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Targets of a policy and its monitor.

    Attributes:
        nominal_success: Lowest success rate on unseen seeds, in [0, 1].
        false_alarms: Highest fraction of nominal episodes that the monitor stops, in [0, 1].
        detection: Lowest fraction of failing perturbed episodes that it stops, in [0, 1].
        expert_success: Lowest success rate of the expert, in [0, 1]; below it the task or the
            expert is at fault and the policy's rate says little.
        violations: Highest number of limit violations with the monitor.
    """

    nominal_success: float = 0.90
    false_alarms: float = 0.05
    detection: float = 0.90
    expert_success: float = 0.98
    violations: int = 0


TARGETS = Targets()
"""Default targets."""


@dataclass(frozen=True, kw_only=True)
class MeasuredRates:
    """The rates on which a verdict is based; None if nothing was measured."""

    nominal: Rate | None
    false_alarms: Rate | None
    detection: Rate | None
    violations: int | None
    expert: Rate | None
    heuristic: Rate | None


@dataclass(frozen=True, kw_only=True)
class TargetFinding:
    """One sentence of the verdict.

    Attributes:
        state: 'met', 'missed' or 'untested'.
        name: Short name of the target.
        text: The numbers, the target and the conclusion.
        sure: False if the interval includes the other outcome: more episodes might reverse it.
    """

    state: str
    name: str
    text: str
    sure: bool = True


def assess(measured: MeasuredRates) -> tuple[TargetFinding, ...]:
    """Compare the measured rates with the targets and the two baselines."""
    m, t = measured, TARGETS
    return (
        _at_least('success on nominal episodes', m.nominal, t.nominal_success),
        _beats_floor(m.nominal, m.heuristic),
        _at_least('detection of failing perturbed episodes', m.detection, t.detection),
        _at_most('false alarms on nominal episodes', m.false_alarms, t.false_alarms),
        _violations(m.violations, t.violations),
        _at_least('success of the expert', m.expert, t.expert_success),
    )


def headline(findings: Sequence[TargetFinding]) -> str:
    """Sum up the findings and name every target missed or not tested."""
    missed = [finding.name for finding in findings if finding.state == 'missed']
    untested = [finding.name for finding in findings if finding.state == 'untested']
    parts = []
    if missed:
        parts.append(f'{len(missed)} of {len(findings)} targets missed: {", ".join(missed)}.')
    if untested:
        parts.append(f'{len(untested)} of {len(findings)} not tested: {", ".join(untested)}.')
    if not parts:
        parts.append(f'All {len(findings)} targets met.')
    close = sum(finding.state == 'met' and not finding.sure for finding in findings)
    if close:
        parts.append(f'{close} of those met are uncertain with so few episodes.')
    return ' '.join(parts)


def _at_least(name: str, rate: Rate | None, target: float) -> TargetFinding:
    goal = f'at least {percent(target)}'
    if rate is None:
        return _untested(name, goal)
    doubtful = rate.low < target <= rate.high
    return _finding(name, rate, goal, met=rate.rate >= target, sure=not doubtful)


def _at_most(name: str, rate: Rate | None, target: float) -> TargetFinding:
    goal = f'at most {percent(target)}'
    if rate is None:
        return _untested(name, goal)
    doubtful = rate.low <= target < rate.high
    return _finding(name, rate, goal, met=rate.rate <= target, sure=not doubtful)


def _finding(name: str, rate: Rate, goal: str, *, met: bool, sure: bool) -> TargetFinding:
    """Note if the target lies inside the interval, because few episodes prove little."""
    state = 'met' if met else 'missed'
    doubt = '' if sure else f', but {rate.trials} episodes leave the other outcome possible'
    text = f'{rate}; target {goal}: {state}{doubt}.'
    return TargetFinding(state=state, name=name, text=text, sure=sure)


def _untested(name: str, goal: str) -> TargetFinding:
    text = f'Nothing measured; target {goal}: untested.'
    return TargetFinding(state='untested', name=name, text=text)


def _violations(count: int | None, target: int) -> TargetFinding:
    name, goal = 'limit violations with the monitor', f'at most {target}'
    if count is None:
        return _untested(name, goal)
    state = 'met' if count <= target else 'missed'
    return TargetFinding(state=state, name=name, text=f'{count} counted; target {goal}: {state}.')


def _beats_floor(policy: Rate | None, floor: Rate | None) -> TargetFinding:
    name = 'policy above the heuristic floor'
    if policy is None or floor is None:
        return _untested(name, 'intervals apart')
    if policy.overlaps(floor):
        state = 'missed'
        text = 'The policy does not beat the heuristic floor, the intervals overlap'
    elif policy.rate < floor.rate:
        state, text = 'missed', 'The policy is worse than the heuristic floor'
    else:
        state, text = 'met', 'The intervals are apart'
    text = f'{text}: policy {policy}, heuristic {floor}.'
    return TargetFinding(state=state, name=name, text=text)
