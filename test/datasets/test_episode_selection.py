"""Conditions on episodes: what they choose, and that nothing else gets through."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.core.errors import DatasetError
from il_ros.datasets.episode_selection import FIELDS, fields_of, select
from il_ros.datasets.manifest import EpisodeEntry

ENTRIES = (
    EpisodeEntry(id='a', start=0, length=10, seed=1, begin=0, end=9 * 10**9,
                 measures={'jerk': 20.0}, sources={'expert': 1.0}),
    EpisodeEntry(id='b', start=10, length=30, seed=2, begin=0, end=12 * 10**9, outcome='failure',
                 measures={'jerk': 60.0}, sources={'policy': 0.75, 'expert': 0.25}, flagged=True),
    EpisodeEntry(id='c', start=40, length=5, task='peg', end=4 * 10**9, measures={'jerk': 5.0}),
)  # fmt: skip


@pytest.mark.parametrize(
    ('query', 'ids'),
    [
        ('outcome == "success" and duration < 10 and measures.jerk < 50 and seed in [1, 2]', 'a'),
        ('not flagged', 'ac'),
        ('flagged or task == "peg"', 'bc'),
        ('4 <= duration < 9.5', 'ac'),
        ('sources.policy > 0.5', 'b'),
        ('seed == None', 'c'),
        ('seed != None and seed > 1', 'b'),
        ('frames / duration > 2', 'b'),
        ('-frames < -9 and id not in ("b",)', 'a'),
        ('"e" in task', 'c'),
        ('True', 'abc'),
        ('False', ''),
    ],
)
def test_a_condition_chooses(query, ids):
    assert ''.join(ENTRIES[i].id for i in select(ENTRIES, query)) == ids


@pytest.mark.parametrize(
    ('query', 'error'),
    [
        ('duraton < 10', "query 'duraton < 10': no field 'duraton'; allowed: id, outcome, task,"),
        ('measures.jrk < 1', "episode a has no field 'measures.jrk'; allowed: measures.jerk"),
        ('measures < 1', 'measures has parts; allowed: measures.jerk'),
        ('outcome.success', "no field 'outcome.success'; allowed: id, outcome"),
        ('duration', 'gives 9.0; allowed: a condition, which is true or false'),
        ('duration <', "query 'duration <': not a condition: "),
        ('', "query '': not a condition: "),
        ('seed < 2', "of episode c: '<' not supported between instances of 'NoneType' and 'int'"),
        ('frames / 0 > 1', 'of episode a: division by zero'),
        ('outcome = "success"', 'not a condition: '),
        ('__import__("os").system("true")', r'cannot be used; allowed: fields, numbers'),
        ('(lambda: True)()', 'cannot be used'),
        ('[e for e in (1, 2)] == 1', 'cannot be used'),
        ('id.__class__ == 1', "no field 'id.__class__'"),
        ('measures.__class__ == 1', "no field 'measures.__class__'"),
        ('9 ** 9 ** 9 > 1', r'\+ - \* / of numbers'),
        ('"a" * 10 == id', r'\+ - \* / of numbers'),
        ('id is None', 'allowed: == != < <= > >= in'),
        ('f"{id}" == "a"', 'cannot be used'),
        ('b"a" == id', 'numbers, texts, True, False, None'),
        ('~frames == 1', 'allowed: not, -'),
        ('(' * 900 + '1' + ')' * 900, 'not a condition'),
        ('not ' * 480 + 'True', 'nested too deeply|not a condition'),
        ('x' * 3000, 'not a condition: 3000 characters, allowed 2000'),
        ('id == "\0"', 'not a condition'),
    ],
)
def test_what_is_no_condition_is_refused_with_what_is(query, error):
    with pytest.raises(DatasetError, match=error):
        select(ENTRIES, query)


def test_every_field_has_a_value():
    assert set(fields_of(ENTRIES[0])) == set(FIELDS)


TERMS = st.sampled_from([*FIELDS, 'measures.jerk', 'sources.expert', '1', '2.5', '"a"', '[1, "b"]',
                         'None', 'True', 'x', 'id()', '(1,)', '-3'])  # fmt: skip
OPERATORS = st.sampled_from(['<', '<=', '==', '!=', 'in', 'not in', 'and', 'or', '+', '-', '*', '/',
                             '**', 'is', '.', ','])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(st.tuples(TERMS, OPERATORS), min_size=1, max_size=6).map(
        lambda parts: ' '.join(f'{term} {sign}' for term, sign in parts) + ' 1'
    )
)
def test_any_text_gives_an_answer_or_a_clear_error(query):
    try:
        chosen = select(ENTRIES, query)
    except DatasetError as problem:
        said = str(problem)
    else:
        said = 'query '
        assert set(chosen) <= {0, 1, 2}
    assert said.startswith('query ')
