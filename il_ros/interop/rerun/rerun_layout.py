"""How a viewer lays an episode out: scene and cameras left, plots in the middle, log right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from il_ros.core.contract import Contract
from il_ros.interop.rerun.rerun_file import TIME, entity, require_rerun


def layout(contract: Contract, entities: Iterable[str]) -> Any:
    """A blueprint with a panel for whatever is among `entities`.

    Args:
        contract: Names the joints and the cameras.
        entities: Paths that something was written to.
    """
    require_rerun()
    import rerun.blueprint as rrb

    paths = list(entities)
    columns = [_scene(rrb, paths), _plots(rrb, contract, paths), _log(rrb, paths)]
    return rrb.Blueprint(
        rrb.Horizontal(*columns, column_shares=[3, 4, 2]),
        rrb.TimePanel(timeline=TIME, state='collapsed'),
        rrb.BlueprintPanel(state='hidden'),
        rrb.SelectionPanel(state='hidden'),
        auto_views=False,
    )


def _scene(rrb: Any, paths: list[str]) -> Any:
    views = [rrb.Spatial3DView(origin='world', name='scene')]
    cameras = [path for path in paths if path.startswith('camera/')]
    if cameras:
        seen = [rrb.Spatial2DView(origin=path, name=path.split('/', 1)[1]) for path in cameras]
        views.append(rrb.Grid(*seen, name='cameras'))
    return rrb.Vertical(*views)


def _plots(rrb: Any, contract: Contract, paths: list[str]) -> Any:
    kinds = ('position', 'executed', 'training', 'policy', 'expert', 'label')
    joints = [
        rrb.TimeSeriesView(
            origin=entity('joint', name),
            contents=[f'$origin/{kind}' for kind in kinds if entity('joint', name, kind) in paths],
            name=name,
        )
        for name in contract.action.names
    ]
    speeds = [path for path in paths if path.startswith('joint/') and path.endswith('/velocity')]
    tabs = [rrb.Grid(*joints, name='joint positions')]
    tabs.append(rrb.TimeSeriesView(origin='joint', contents=speeds, name='joint velocities'))
    upper = rrb.Tabs(*tabs, name='joints')
    others = [
        rrb.TimeSeriesView(origin=path, name=path.split('/', 1)[1])
        for path in _wrench_first(contract, paths)
    ]
    if 'quality/age' in paths:
        others.append(rrb.TimeSeriesView(origin='quality/age', name='age of samples'))
    rows = [upper, *([rrb.Tabs(*others, name='observations')] if others else [])]
    if 'monitor/scores' in paths:
        rows.append(rrb.TimeSeriesView(origin='monitor/scores', name='scores'))
    return rrb.Vertical(*rows, row_shares=[3, 2, 1][: len(rows)])


def _wrench_first(contract: Contract, paths: list[str]) -> list[str]:
    found = [path for path in paths if path.startswith('observation/')]
    wrench = entity('observation', contract.wrench.key) if contract.wrench else ''
    return sorted(found, key=lambda path: path != wrench)


def _log(rrb: Any, paths: list[str]) -> Any:
    views = []
    if any(path.startswith('control/') for path in paths):
        views.append(rrb.StateTimelineView(origin='control', name='in control'))
    views.append(
        rrb.TextLogView(origin='/', contents=['events/**', 'monitor/status/**'], name='log')
    )
    if 'episode' in paths:
        views.append(rrb.TextDocumentView(origin='episode', name='episode'))
    return rrb.Vertical(*views)
