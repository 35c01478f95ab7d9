"""The table of episodes is read back as it was meant, whatever the names and reasons hold."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from il_ros.evaluation.episode_table import episodes_csv


def read_back(episodes):
    """Rows of the table, as a strict reader of files takes them."""
    content = io.BytesIO(episodes_csv(episodes).encode())
    text = io.TextIOWrapper(content, encoding='utf-8', newline='')
    return list(csv.DictReader(text, strict=True))


@given(st.lists(st.text('a =-,"\t\r\n\0\x85\udcff\u2028'), min_size=1, max_size=3))
def test_any_reason_stays_in_its_cell_and_is_no_formula(episode, reasons):
    rows = read_back([episode(reason=reason, bag='end') for reason in reasons])
    assert [row['bag'] for row in rows] == len(reasons) * ['end']
    for row, reason in zip(rows, reasons, strict=True):
        assert None not in row
        assert not row['reason'].lstrip().startswith(('=', '+', '-', '@'))
        if reason.isprintable():
            assert row['reason'].removeprefix("'") == reason.removeprefix("'")


def test_formulas_get_an_apostrophe_after_blanks_too(episode):
    for reason in ('=1+1', '+1', '-1', '@x', '\t=1', ' =1', '\n=1'):
        (row,) = read_back([episode(reason=reason)])
        assert row['reason'] == f"'{reason}"
    (row,) = read_back([episode(reason='at 3 = 1 + 2', seed=7, duration=0.5)])
    assert row['reason'] == 'at 3 = 1 + 2'
    assert (row['seed'], row['duration_s']) == ('7', '0.5000')


def test_what_was_not_measured_is_an_empty_field(episode, traced):
    plain, whole = read_back([episode(), traced()])
    for name in ('fallback_time_s', 'latency_p50_ms', 'action_error', 'log_dimensionless_jerk'):
        assert plain[name] == ''
    assert float(whole['spectral_arc_length']) < 0
    assert plain.keys() == whole.keys()
    assert read_back([]) == []
