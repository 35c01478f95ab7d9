"""Writes requirements/locked: each pin with the hashes of all its files. Run it by `make lock`.

Hashes are those of every file that the index has of a version, for all platforms and versions of
Python. torch stays without: which of its builds is right, and what that needs, depends on the
machine.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SETS = (
    'robot', 'train', 'interop', 'signing', 'view', 'dev', 'docs', 'lock', 'wheels',
    'ros-kilted', 'ros-jazzy',
)  # fmt: skip
OPTIONS = (
    '--no-config', '--quiet', '--universal', '--no-deps', '--generate-hashes',
    '--no-strip-extras', '--no-annotate', '--no-header', '--python-version', '3.11.5',
)  # fmt: skip
HEAD = '# Made by make lock from requirements/{}.txt, which is the file to edit.\n'
UNLOCKED = ('torch',)


def lock(name: str, uv: str) -> None:
    """Write the locked form of one set of requirements, with the program `uv`."""
    lines = (HERE / f'{name}.txt').read_text().splitlines()
    pins = '\n'.join(line for line in lines if re.split('[=[]', line)[0] not in UNLOCKED)
    command = [uv, 'pip', 'compile', *OPTIONS, '-']
    made = subprocess.run(command, input=pins, check=True, stdout=subprocess.PIPE, text=True).stdout
    (HERE / 'locked' / f'{name}.txt').write_text(HEAD.format(name) + made)


if __name__ == '__main__':
    for each in SETS:
        lock(each, sys.argv[1])
