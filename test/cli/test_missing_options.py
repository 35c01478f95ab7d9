"""Every verb without what it needs, and with options that are none or of another type."""

from __future__ import annotations

import inspect
import os

import pytest

from il_ros.cli.main import VERBS, main
from il_ros.core.registry import load

PARAMETERS = {verb: inspect.signature(load(place)).parameters for verb, (place, _) in VERBS.items()}
NEEDED = {
    verb: [name for name, one in parameters.items() if one.default is one.empty]
    for verb, parameters in PARAMETERS.items()
}
TAKES_NONE = ('bags check', 'bags recover', 'migrate')
"""Their only argument is a list, which may be empty for tyro."""


def called(verb):
    """The words of a verb with some text for each argument that it needs."""
    words = verb.split()
    for name in NEEDED[verb]:
        alone = 'Positional' in (hint := PARAMETERS[verb][name].annotation) or 'Folder' in hint
        words += ['x'] if alone else [f'--{name.replace("_", "-")}', 'x']
    return words


@pytest.fixture
def ended(tmp_path, capsys, monkeypatch):
    """Runs the command, which has to end as wrongly called and write nothing; what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        assert caught.value.code == 2
        assert os.listdir(tmp_path) == []
        return ''.join(capsys.readouterr())

    return run


@pytest.mark.parametrize('verb', [v for v in VERBS if NEEDED[v] and v not in TAKES_NONE])
def test_a_verb_without_its_options_names_one_that_it_needs(verb, ended):
    text = ended(*verb.split())
    assert 'Traceback' not in text
    assert any(name.replace('_', '-') in text.lower() for name in NEEDED[verb])
    assert f'il_ros {verb} --help' in ' '.join(text.replace('\u2502', ' ').split())


@pytest.mark.parametrize('verb', VERBS)
def test_an_option_that_there_is_not_is_named(verb, ended):
    assert '--no-such-option' in ended(*called(verb), '--no-such-option', '1')


NUMBERS = [
    (verb, name)
    for verb, parameters in PARAMETERS.items()
    for name, one in parameters.items()
    if one.annotation in ('int', 'float')
]


@pytest.mark.parametrize(('verb', 'name'), NUMBERS)
def test_a_number_that_is_none_is_named(verb, name, ended):
    option = f'--{name.replace("_", "-")}'
    text = ended(*called(verb), option, 'many')
    assert option in text
    assert 'Traceback' not in text
