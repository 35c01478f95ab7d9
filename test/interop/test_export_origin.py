"""What an export says of itself is taken only as it was written."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_ros.core.errors import ContractError, DatasetError
from il_ros.datasets.episode_arrays import SOURCES, Event
from il_ros.datasets.manifest import EpisodeEntry
from il_ros.interop.export_origin import (
    ExportOrigin,
    hash_texts,
    origin_of,
    own_contract,
    own_records,
    read_origin,
    recoded,
    record_text,
    to_json,
)

WHERE = Path('/x')
entries = st.builds(
    EpisodeEntry, id=st.text(min_size=1), start=st.just(0), length=st.integers(1, 99),
    task=st.text(), notes=st.text(), seed=st.none() | st.integers(-(2**63), 2**63 - 1),
    flagged=st.booleans(),
)  # fmt: skip
events = st.lists(
    st.builds(Event, stamp=st.integers(0, 2**63 - 1), kind=st.text(), text=st.text()), max_size=3
)


@given(st.lists(st.tuples(entries, events), max_size=4))
def test_records_are_one_line_each_and_come_back_as_they_were(records):
    texts = [record_text(entry, happened) for entry, happened in records]
    assert '\n'.join(texts).splitlines() == texts  # whatever a name or a note has in it
    origin = ExportOrigin(contract='', records=hash_texts(texts))
    found = own_records(texts, origin, WHERE)
    assert [(r.entry, list(r.events)) for r in found] == [(e, list(h)) for e, h in records]


@given(st.lists(st.tuples(entries, events), min_size=2, max_size=3), st.randoms())
def test_records_that_were_changed_cut_or_moved_are_refused(records, chance):
    texts = [record_text(entry, happened) for entry, happened in records]
    origin = ExportOrigin(contract='', records=hash_texts(texts))
    moved = [*texts[1:], texts[0]]
    for wrong in (texts[:-1], [*texts, '{}'], [texts[0] + ' ', *texts[1:]], moved):
        if ''.join(wrong) == ''.join(texts):
            continue
        with pytest.raises(DatasetError, match='what is said of the episodes was changed since'):
            own_records(wrong, origin, WHERE)


def test_an_origin_is_read_as_it_was_written(make_dataset):
    origin = origin_of(make_dataset())
    assert read_origin(to_json(origin), 'x') == origin


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        ({'format': 2}, 'x: format 2; allowed: 1'),
        ({'format': None}, 'x: format None; allowed: 1'),
        ({'image_format': 'gif'}, "x.image_format: got 'gif'"),
        ({'contract': 7}, 'x.contract: got 7'),
        ({'more': 1}, "unknown key 'more'"),
        ({'left_out': [{}]}, 'x.left_out[0]'),
    ],
)
def test_an_origin_that_we_never_wrote_is_named(make_dataset, changes, error):
    text = json.dumps(json.loads(to_json(origin_of(make_dataset()))) | changes)
    with pytest.raises(DatasetError) as caught:
        read_origin(text, 'x')
    assert error in str(caught.value)


@pytest.mark.parametrize('text', ['', '{', '[]', '7', 'null', '"a"', 2000 * '['])
def test_an_origin_that_is_no_record_is_refused(text):
    with pytest.raises(DatasetError):
        read_origin(text, 'x')


def test_a_contract_that_was_changed_is_refused(make_dataset):
    dataset = make_dataset()
    origin = origin_of(dataset)
    assert own_contract(origin, None, WHERE).hash == dataset.contract.hash
    assert own_contract(origin, dataset.contract, WHERE).hash == dataset.contract.hash
    text = origin.contract.replace('rate: 20.0\nclock', 'rate: 10.0\nclock')
    changed = ExportOrigin(contract=text, contract_hash=origin.contract_hash)
    with pytest.raises(DatasetError, match='the contract was changed since it was exported'):
        own_contract(changed, None, WHERE)
    with pytest.raises(ContractError, match='made for contract'):
        own_contract(changed, dataset.contract, WHERE)
    with pytest.raises(ContractError):
        own_contract(ExportOrigin(contract='name: x'), None, WHERE)


@given(st.permutations(SOURCES), st.data())
def test_codes_keep_their_names_whatever_order_the_export_had(names, data):
    codes = np.array(
        data.draw(st.lists(st.integers(0, len(names) - 1), max_size=20)), dtype=np.uint8
    )
    found = recoded(codes, tuple(names), 'x')
    assert [SOURCES[code] for code in found] == [names[code] for code in codes]


@pytest.mark.parametrize(
    ('codes', 'names', 'error'),
    [
        ([0, len(SOURCES)], SOURCES, rf'x: source \[{len(SOURCES)}\]; allowed: '),
        ([0], (), r'x: source \[0\]'),
        ([0], ('martian',), r"x: source \['martian'\]; allowed: "),
    ],
)
def test_a_source_that_nobody_knows_is_refused(codes, names, error):
    with pytest.raises(DatasetError, match=error):
        recoded(np.array(codes, np.uint8), names, 'x')
