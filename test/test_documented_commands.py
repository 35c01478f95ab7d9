"""Commands that the documentation shows can be typed: their services, launch files and options."""

import re
from pathlib import Path

import pytest
import yaml

from il_ros.cli.main import VERBS, main

ROOT = Path(__file__).parents[1]
TEXT = '\n'.join(
    page.read_text('utf-8').replace('\\\n', ' ')
    for page in [*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')]
)
LINES = [line.strip() for line in TEXT.splitlines()]
CALLS = re.findall(r'ros2 service call \S+ il_ros/srv/(\w+)(?: "(\{.*?\})")?', TEXT)
LAUNCHES = re.findall(
    r'(?:ros2 launch il_ros|il_ros launch) ([a-z]+)(?:\.launch\.xml)?\b([^`#\n]*)', TEXT
)
COMMANDS = {verb: [line for line in LINES if line.startswith(f'il_ros {verb} ')] for verb in VERBS}


@pytest.mark.parametrize(('service', 'request_'), sorted(set(CALLS)))
def test_a_service_call_has_the_fields_of_the_service(service, request_):
    asked = (ROOT / f'srv/{service}.srv').read_text().split('---', maxsplit=1)[0]
    fields = set(re.findall(r'^[\w/\[\]]+ ([a-z_]\w*)$', asked, re.MULTILINE))
    assert set(yaml.safe_load(request_ or '{}')) <= fields


@pytest.mark.parametrize(('name', 'arguments'), sorted(set(LAUNCHES)))
def test_a_launch_file_has_the_arguments(name, arguments):
    text = (ROOT / f'launch/{name}.launch.xml').read_text()
    for argument in re.findall(r'(\w+):=', arguments):
        assert f'<arg name="{argument}"' in text, argument


@pytest.mark.parametrize('verb', [verb for verb, lines in COMMANDS.items() if lines])
def test_a_verb_has_the_options(verb, capsys, monkeypatch):
    monkeypatch.setattr('signal.signal', lambda *_: None)  # pytest keeps its own handlers
    with pytest.raises(SystemExit):
        main([*verb.split(), '--help'])
    known = set(re.findall(r'--[a-z][\w.-]*', capsys.readouterr().out))
    for line in COMMANDS[verb]:
        assert set(re.findall(r'(?<!\S)--[a-z][\w.-]*', line)) <= known, line
