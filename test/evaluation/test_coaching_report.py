"""The page on the rounds of interactive imitation."""

import json
import xml.etree.ElementTree as ET

import pytest

from il_ros.evaluation.coaching_report import CoachedRound, write_coaching_report
from il_ros.evaluation.html_pages import NOTHING
from il_ros.evaluation.intervals import Rate


def coached(number, **change):
    facts = {
        'round': number,
        'policy_id': f'p{number}',
        'episodes': 3,
        'labels': 40,
        'takeovers': 6 if number else 0,
        'minutes': 0.5,
        'autonomy': 0.75 if number else 0.0,
        'success': Rate(number, 4),
    }
    return CoachedRound(**{**facts, **change})


@pytest.fixture
def written(tmp_path):
    rounds = [coached(0), coached(1, success=None), coached(2)]
    page = write_coaching_report(
        tmp_path, rounds, title='dagger <on> reach', command='il_ros dagger --out "x & y"'
    )
    return page.read_text(encoding='utf-8'), json.loads((tmp_path / 'curves.json').read_text())


def test_takeovers_are_counted_per_minute():
    assert coached(1).takeovers_per_minute == 12.0
    assert coached(1, minutes=0.0, takeovers=0).takeovers_per_minute == 0.0


def test_the_curves_are_there_as_numbers(written):
    rounds = written[1]['rounds']
    assert [one['labels'] for one in rounds] == [40, 40, 40]
    assert [one['takeovers_per_minute'] for one in rounds] == [0.0, 12.0, 12.0]
    assert rounds[1]['success'] is rounds[1]['wilson_low'] is None
    assert rounds[2]['success'] == 0.5
    assert rounds[2]['wilson_low'] < 0.5 < rounds[2]['wilson_high']


def test_the_page_has_every_chart_and_round_and_needs_nothing_else(written):
    page = written[0]
    assert page.count('<svg') == 4
    assert 'http' not in page.replace('http://www.w3.org/', '')
    assert 'dagger &lt;on&gt; reach' in page
    assert 'il_ros dagger --out &#34;x &amp; y&#34;' in page
    for text in ('2 of 4 = 50 %', '12.0', '75 %', 'p1', NOTHING):
        assert text in page
    body = page[page.index('<table>') : page.index('</table>') + len('</table>')]
    assert len(ET.fromstring(body).findall('.//tbody/tr')) == 3
