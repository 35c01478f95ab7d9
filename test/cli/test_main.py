"""The command: its verbs, and what it answers to one or to an option that it does not have."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import pytest
import tyro

from il_ros.cli import main as command
from il_ros.cli.main import VERBS, main
from il_ros.core.registry import load


@dataclass(frozen=True, kw_only=True)
class Network:
    renamed: ClassVar[dict[str, str]] = {'hidden': 'hidden_dims'}
    moved: ClassVar[dict[str, str]] = {'mean_of': 'the parameter mean of the monitor'}

    hidden_dims: int = 3


@dataclass(frozen=True, kw_only=True)
class Settings:
    renamed: ClassVar[dict[str, str]] = {'held_out': 'val_fraction', 'net': 'network'}

    val_fraction: float = 0.1
    network: Network = field(default_factory=Network)


def verb(
    config: Annotated[Settings, tyro.conf.arg(name='')] = Settings(),
    training: Settings = Settings(),
    text: str = '',
) -> int:
    print(config.val_fraction, training.network.hidden_dims, text)
    return 0


@pytest.fixture
def run(monkeypatch, capsys):
    monkeypatch.setitem(VERBS, 'verb', (f'{__name__}:verb', 'a verb'))

    def run(*arguments):
        code = main(['verb', *arguments])
        return code, ''.join(capsys.readouterr())

    return run


@pytest.mark.parametrize('name', list(VERBS))
def test_every_verb_has_a_function_with_a_text_and_a_line_of_help(name, capsys):
    place, text = command.VERBS[name]
    assert load(place).__doc__
    assert text[0].islower()
    assert main([]) == 0
    assert f'  {name} ' in capsys.readouterr().out


def test_options_that_are_as_they_are_called_now_are_taken(run):
    arguments = ('--val-fraction', '0.5', '--training.network.hidden-dims=7', '--text', 'x')
    assert run(*arguments) == (0, '0.5 7 x\n')


@pytest.mark.parametrize(
    ('option', 'new'),
    [
        ('--held-out', '--val-fraction'),
        ('--held_out', '--val-fraction'),
        ('--training.held-out', '--training.val-fraction'),
        ('--training.network.hidden', '--training.network.hidden-dims'),
        ('--training.net.hidden', '--training.network.hidden-dims'),
        ('--films.count', '--videos.count'),
    ],
)
@pytest.mark.parametrize('value', [[], ['0.5']])
def test_an_option_with_a_new_name_is_answered_with_that_name(run, option, new, value):
    text = f'error: {option} is now {new}; to fix: write {new} instead\n'
    assert run(option, *value) == (2, text)
    assert run(f'{option}=1') == (2, text)


@pytest.mark.parametrize('option', ['--network.mean-of', '--training.network.mean_of'])
def test_an_option_that_is_set_elsewhere_now_is_answered_with_the_place(run, option):
    text = f'error: {option} is now the parameter mean of the monitor; to fix: remove it here\n'
    assert run(option, '0.5') == run(f'{option}=0.5') == (2, text)


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['x'], "error: unknown verb 'x'; allowed: demo, launch, record, "),
        (['bags'], 'error: bags what?; allowed: bags check, bags recover, '),
        (['bags', 'x'], "error: unknown verb 'bags x'; allowed: bags check, "),
    ],
)
def test_an_unknown_verb_is_answered_with_those_there_are(arguments, text, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(text)
