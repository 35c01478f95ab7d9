"""What make setup installs is pinned with hashes, and every package says its licence."""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'requirements'))

from licences import UNKNOWN, licence_of  # noqa: E402
from lock import SETS, UNLOCKED  # noqa: E402

PIN = re.compile(r'^([A-Za-z0-9._-]+)(?:\[\w+\])?==([^\s;\\]+)', re.MULTILINE)


def pins(text):
    return {
        (name.lower().replace('_', '-').replace('.', '-'), ver) for name, ver in PIN.findall(text)
    }


@pytest.mark.parametrize('name', SETS)
def test_each_pin_is_locked_with_its_hashes(name):
    """After a change of requirements: make lock."""
    asked = (ROOT / f'requirements/{name}.txt').read_text()
    locked = (ROOT / f'requirements/locked/{name}.txt').read_text()
    assert pins(locked) == {pin for pin in pins(asked) if pin[0] not in UNLOCKED}
    lines = [line for line in asked.splitlines() if line and not line.startswith('#')]
    assert len(lines) == len(pins(asked))  # every line is a pin
    for entry in re.split(r'\n(?=[A-Za-z])', locked.split('\n', 1)[1]):
        assert re.search(r'--hash=sha256:[0-9a-f]{64}', entry), entry.splitlines()[0]
        assert not re.search(r'https?:|file:|--index|--find', entry)


def test_make_setup_checks_the_hashes():
    rules = (ROOT / 'Makefile').read_text().partition('$(VENV)/.installed: $(PINS)')[2]
    rules = rules.partition('\n\n')[0].replace('\\\n', '').splitlines()
    installs = [line for line in rules if 'pip install' in line]
    assert ['--require-hashes $(PINS:%=-r %)' in line for line in installs] == [True, False]
    assert installs[1].endswith('-r $(VENV)/torch.txt')


def test_every_pinned_package_says_its_licence():
    pinned = {
        name for one in SETS for name, _ in pins((ROOT / f'requirements/{one}.txt').read_text())
    }
    here = [p for p in distributions() if p.metadata['Name'].lower().replace('_', '-') in pinned]
    assert len(here) > 50
    assert not [p.metadata['Name'] for p in here if licence_of(p) == UNKNOWN]
