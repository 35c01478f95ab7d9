"""The page of message types and image encodings names what the registries have."""

import re
from pathlib import Path

from il_ros.core.decoders import decoded_types, decoder_for, is_framed
from il_ros.core.pixel_encodings import ENCODINGS

PAGE = Path(__file__).parents[1].joinpath('docs/reference/message_types.md').read_text('utf-8')


def rows(heading):
    """The cells of the table below a heading."""
    _, _, rest = PAGE.partition(f'\n{heading}\n')
    table = re.search(r'(?:^\|.*\n)+', rest, re.MULTILINE)[0].splitlines()[2:]
    return [row.strip('|').split('|') for row in table]


def names_in(cell):
    return re.findall(r'`([^`]+)`', cell)


def test_every_image_encoding_is_in_the_table_with_what_it_becomes():
    expected = {name: list(encoding.to) for name, encoding in ENCODINGS.items()}
    found = {
        name: names_in(row[1]) for row in rows('## Image encodings') for name in names_in(row[0])
    }
    assert found == expected


def test_every_message_type_is_in_the_table_with_its_header_and_frame():
    found = {name: row for row in rows('## Message types') for name in names_in(row[0])}
    packages = ('std_msgs', 'sensor_msgs', 'geometry_msgs', 'control_msgs')
    known = [name for name in decoded_types() if name.split('/')[0] in packages]
    assert sorted(found) == sorted(known)
    for name, (_, _, _, frame, timed) in found.items():
        decoder = decoder_for(name)
        assert is_framed(decoder) == ('yes' in frame), name
        assert decoder.stamped == (timed.strip() == 'header'), name


def test_the_fields_of_the_table_are_those_that_are_taken():
    for row in rows('## Message types'):
        labels = ('a', 'b') if row[2].strip() else ()
        for name in names_in(row[0]):
            for field in names_in(row[1].partition(', and')[0]):
                assert decoder_for(name).check((field,), labels, 'here') is None
