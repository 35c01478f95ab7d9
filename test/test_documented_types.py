"""The page of message types and image encodings names what the registries have."""

import re
from pathlib import Path

from il_ros.core.pixel_encodings import ENCODINGS

PAGE = Path(__file__).parents[1].joinpath('docs/reference/message_types.md').read_text('utf-8')


def named(heading):
    """What the first column of the table below a heading names, and the second."""
    _, _, rest = PAGE.partition(f'\n{heading}\n')
    table = re.search(r'(?:^\|.*\n)+', rest, re.MULTILINE)[0].splitlines()[2:]
    cells = [row.strip('|').split('|') for row in table]
    found = [[re.findall(r'`([^`]+)`', cell) for cell in row[:2]] for row in cells]
    return {name: becomes for names, becomes in found for name in names}


def test_every_image_encoding_is_in_the_table_with_what_it_becomes():
    expected = {name: list(encoding.to) for name, encoding in ENCODINGS.items()}
    assert named('## Image encodings') == expected
