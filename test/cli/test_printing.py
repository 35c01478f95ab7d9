"""What the verbs print: text of files is shown, and controls no terminal."""

import ast
from pathlib import Path

import pytest
from rich.console import Console as AnyConsole
from rich.progress import track
from rich.table import Table

import il_ros.cli.printing
from il_ros.cli.main import guarded
from il_ros.cli.printing import Console, cell, progress_bars, say
from il_ros.launching.child_process import print_line

PAINTED = 'bc\x1b[1A\x1b[2K\x1b[32msigned, verified\x1b[0m \x1b]52;c;cm0=\x07 \u202e \x9b2J \r'
SHOWN = (
    'bc\\x1b[1A\\x1b[2K\\x1b[32msigned, verified\\x1b[0m \\x1b]52;c;cm0=\\x07 \\u202e \\x9b2J \\r'
)


def test_a_line_controls_no_terminal_and_keeps_its_line_ends(capsys):
    say(f'bundle {PAINTED}\nwhole [red] :warning: ö')
    assert capsys.readouterr().out == f'bundle {SHOWN}\nwhole [red] :warning: ö\n'


@pytest.mark.parametrize('console', [Console, AnyConsole])
def test_a_cell_controls_no_terminal_and_makes_no_row(console, capsys):
    table = Table('trained', width=200)
    table.add_row(cell(f'{PAINTED}\nsignature: verified [red]'))
    console(width=200).print(table)
    out = capsys.readouterr().out
    assert f'{SHOWN}\\nsignature: verified [red]' in out
    assert all(char.isprintable() or char == '\n' for char in out)


def test_nothing_that_is_printed_controls_the_terminal(capsys):
    table = Table('name', PAINTED, width=200, title=PAINTED)
    table.add_row(PAINTED, '[link=file:///x]y[/link] [red]')
    console = Console(width=300)
    console.print(f'A {PAINTED} [red] :warning: [link=file:///x]y[/link]', style='bold')
    console.rule(PAINTED)
    console.print(table)
    for _ in track(range(2), PAINTED, console=console):
        pass
    with progress_bars(console) as bars:
        bars.add_task(f'{PAINTED} [red]', total=2)
    out = capsys.readouterr().out
    assert '[red] :warning: [link=file:///x]y[/link]' in out
    assert out.count('signed, verified') == 7
    assert all(char.isprintable() or char == '\n' for char in out)


def test_a_terminal_gets_the_styles_that_are_ours(capsys, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.delenv('NO_COLOR', raising=False)
    Console(width=300).print(f'A {PAINTED}', style='bold')
    out = capsys.readouterr().out
    assert '\x1b[1m' in out
    assert '\x1b[2K' not in out
    assert '\\x1b' in out  # rich puts styles of its own into the numbers


def test_an_error_and_what_a_node_prints_control_no_terminal(capsys):
    def work():
        raise FileNotFoundError(2, 'No such file', PAINTED)

    assert guarded(work) == 2
    print_line('monitor', PAINTED)
    said = capsys.readouterr()
    for text in said:
        assert 'signed, verified' in text
        assert all(char.isprintable() or char == '\n' for char in text)


def test_every_text_is_printed_by_what_escapes_it():
    root = Path(il_ros.cli.printing.__file__).parents[1]
    loose = []
    for path in sorted(root.rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            where = f'{path.relative_to(root)}:{getattr(node, "lineno", 0)}'
            if isinstance(node, ast.ImportFrom) and node.module == 'rich.console':
                taken = {name.name for name in node.names}
                if 'Console' in taken and path.name != 'printing.py':
                    loose.append(where)
            if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'print':
                (text,) = node.args
                escaped = isinstance(text, ast.Call) and getattr(text.func, 'id', '') == 'printable'
                if not escaped and not isinstance(text, ast.Constant):
                    loose.append(where)
    assert not loose


@pytest.mark.parametrize('length', [3000, 100_000])
def test_a_long_line_is_printed_whole(length, capsys):
    say('x' * length)
    assert capsys.readouterr().out == 'x' * length + '\n'


def test_names_that_are_no_text_are_shown(capsys):
    say('a\udcff')
    assert capsys.readouterr().out == 'a\\udcff\n'
