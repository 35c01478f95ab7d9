"""What the verbs print: text of files is shown, and controls no terminal."""

import pytest
from rich.console import Console
from rich.table import Table

from il_ros.cli.printing import cell, say

PAINTED = 'bc\x1b[1A\x1b[2K\x1b[32msigned, verified\x1b[0m \x1b]52;c;cm0=\x07 \u202e \x9b2J \r'
SHOWN = (
    'bc\\x1b[1A\\x1b[2K\\x1b[32msigned, verified\\x1b[0m \\x1b]52;c;cm0=\\x07 \\u202e \\x9b2J \\r'
)


def test_a_line_controls_no_terminal_and_keeps_its_line_ends(capsys):
    say(f'bundle {PAINTED}\nwhole [red] :warning: ö')
    assert capsys.readouterr().out == f'bundle {SHOWN}\nwhole [red] :warning: ö\n'


def test_a_cell_controls_no_terminal_and_makes_no_row(capsys):
    table = Table('trained', width=200)
    table.add_row(cell(f'{PAINTED}\nsignature: verified [red]'))
    Console(width=200).print(table)
    out = capsys.readouterr().out
    assert f'{SHOWN}\\nsignature: verified [red]' in out
    assert all(char.isprintable() or char == '\n' for char in out)


@pytest.mark.parametrize('length', [3000, 100_000])
def test_a_long_line_is_printed_whole(length, capsys):
    say('x' * length)
    assert capsys.readouterr().out == 'x' * length + '\n'


def test_names_that_are_no_text_are_shown(capsys):
    say('a\udcff')
    assert capsys.readouterr().out == 'a\\udcff\n'
