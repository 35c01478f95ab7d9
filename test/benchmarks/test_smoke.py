"""`make bench-smoke`: what fails is named, the others run all the same, and nothing is kept."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as bench
from benchmarks.rows import Row

ROW = Row(name='x', value=1.0, unit='s', target=2.0, better='less', how='by hand')


@pytest.fixture
def folders(monkeypatch):
    """Stands in for the benchmarks; gives the folders that they were to write to."""
    seen: list[Path] = []

    def of(name):
        def run(sizes, runs, **_):
            assert sizes == f'{name}, small'
            assert runs.is_dir()
            seen.append(runs)
            if name == 'sim':
                raise SystemExit('no arm')
            yield from [ROW] if name == 'bc' else []

        return SimpleNamespace(SMOKE=f'{name}, small', run=run)

    monkeypatch.setattr(bench, '_module', of)
    return seen


def test_a_benchmark_that_fails_is_named_and_the_others_run(folders, capsys):
    assert bench.smoke(['sim', 'bc', 'tasks'], None) == ['sim']
    said = capsys.readouterr()
    assert 'no arm' in said.err
    assert 'bc: 1 figures' in said.out
    assert len(folders) == 3
    assert not any(folder.exists() for folder in folders)


def test_a_group_without_a_figure_fails(folders, capsys):
    assert bench.smoke(['data'], None) == ['data']
    assert 'data: no figure' in capsys.readouterr().err


def test_the_exit_code_tells(folders, monkeypatch):
    monkeypatch.setattr('sys.argv', ['bench', '--smoke', '--group', 'sim'])
    assert bench.main() == 1
    monkeypatch.setattr('sys.argv', ['bench', '--smoke', '--group', 'bc'])
    assert bench.main() == 0


@pytest.mark.parametrize('name', ['loop', 'bc', 'data', 'gate', 'tasks', 'dagger_arms'])
def test_the_smallest_size_is_one_of_the_same_kind_and_smaller(name):
    module = import_module(f'benchmarks.{name}')
    assert type(module.SMOKE) is type(module.FULL)
    for field in dataclasses.fields(module.SMOKE):
        small, full = (getattr(sizes, field.name) for sizes in (module.SMOKE, module.FULL))
        if isinstance(small, int | float) and field.name != 'epochs':
            assert small <= full, field.name
