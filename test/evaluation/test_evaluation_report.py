import json
import os
import re
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from il_ros.core.errors import IlRosError
from il_ros.evaluation.evaluation_report import LISTED, render, write_report
from il_ros.evaluation.evaluation_summary import summarise
from il_ros.evaluation.report_plots import BINS, _peaks, novelty_limits, success_chart
from il_ros.evaluation.report_videos import EpisodeVideo, ReportVideos
from il_ros.evaluation.svg import COLOURS, to_svg

HOSTILE = '<script>alert(1)</script> & "\'> $x$ \x00\x1b[31m \ud800 {{ 7*7 }} </pre></svg>'


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.targets = set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        names = ('src', 'href', 'xlink:href', 'srcset', 'action', 'data', 'poster')
        self.targets += [value for name, value in attributes if name in names]


def page_of(episodes, **options):
    return render(summarise(episodes, versions={'il_ros': '1'}), tuple(episodes), **options)


def tree(page):
    """Every element closed, every attribute quoted: the page is XML too."""
    assert page.startswith('<!DOCTYPE html>')
    return ET.fromstring(page.split('\n', 1)[1])


def text_of(page):
    return ' '.join(''.join(tree(page).itertext()).split())


def test_writes_both_files_and_nothing_else(tmp_path, evaluation):
    found = evaluation(4)
    summary = summarise(found, versions={})
    path = write_report(tmp_path / 'run', summary, found, command='il_ros evaluate')
    assert path == tmp_path / 'run' / 'report.html'
    assert sorted(os.listdir(path.parent)) == ['report.html', 'report.json']
    assert json.loads((path.parent / 'report.json').read_text()) == summary
    assert tree(path.read_text(encoding='utf-8')) is not None


def test_nothing_is_written_if_the_summary_is_not_json(tmp_path):
    summary = summarise([], versions={}) | {'created': float('nan')}
    with pytest.raises(ValueError, match='not JSON compliant'):
        write_report(tmp_path / 'run', summary, [])
    assert not (tmp_path / 'run').exists()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / 'run').write_text('a file')
    with pytest.raises(IlRosError, match=r'report\.json: cannot be written: '):
        write_report(tmp_path / 'run', summarise([], versions={}), [])


def test_page_needs_nothing_from_elsewhere(evaluation):
    page = page_of(evaluation(4))
    links = Links()
    links.feed(page)
    assert links.targets
    assert all(target.startswith('#') for target in links.targets)
    assert not {'script', 'link', 'iframe', 'img', 'object', 'base'} & links.tags
    assert '@import' not in page
    assert not re.search(r'url\((?!#)', page)


def test_ids_are_unique_and_references_hit(evaluation):
    page = page_of(evaluation(4))
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', page)) <= set(ids)


def test_verdict_comes_before_any_chart_and_names_failures(evaluation):
    found = evaluation(20)
    page = page_of(found)
    headline = summarise(found, versions={})['headline']
    assert page.index(headline) < page.index('<svg')
    assert page.count('<svg') == 4
    text = text_of(page)
    for words in (
        'The policy alone failed 20 of 20 perturbed cases. On 19 of those the monitor took over',
        'failure not detected in time',
        '18 / 20',
        '300000-300019',
        'on seed 300000, the lowest that both ran',
        'false alarm (1)',
        'failure, missed (1)',
    ):
        assert words in text


def test_command_and_joints_are_shown(evaluation):
    text = text_of(page_of(evaluation(2), command='il_ros evaluate --seeds 2'))
    for words in ('joint 1 [rad or m]', 'joint 3 [rad or m]', 'il_ros evaluate --seeds 2'):
        assert words in text


@pytest.mark.parametrize('suite', ['nominal', 'ood', 'ood_unwatched', 'expert', 'heuristic'])
def test_a_missing_suite_is_said_and_not_drawn(evaluation, suite):
    page = page_of([e for e in evaluation(3) if e.suite != suite])
    assert f'{suite}: no episode was run.' in text_of(page)
    assert 'not run' in page


def test_perturbed_episodes_without_a_partner_are_drawn_as_such(evaluation):
    text = text_of(page_of([e for e in evaluation(3) if e.suite == 'ood']))
    assert 'never run alone (3)' in text
    assert 'Whether the monitor stops failing episodes was not tested' in text


def test_an_empty_evaluation_still_makes_a_page():
    page = page_of([])
    assert '<svg' not in page
    assert '6 of 6 not tested' in text_of(page)
    assert 'None: no episode was run.' in text_of(page)


def test_seeds_of_every_suite_are_listed(episode):
    text = text_of(page_of([episode(), episode('windy', 1), episode('windy', 2)]))
    assert 'windy1-2' in text


def test_hostile_text_stays_text(traced):
    found = [
        traced('nominal', 300_000 + i, False, task=HOSTILE, reason=HOSTILE, bag=HOSTILE,
               perturbations=(HOSTILE,))
        for i in range(2)
    ] + [traced('expert', 300_000, task=HOSTILE, perturbations=(HOSTILE,))]  # fmt: skip
    summary = summarise(found, versions={HOSTILE: HOSTILE}, created=HOSTILE)
    page = render(summary, found, command=HOSTILE)
    links = Links()
    links.feed(page)
    assert 'script' not in links.tags
    assert '<script' not in page
    assert '{{ 7*7 }}' in text_of(page)
    assert not set(page) & {'\x00', '\x1b', '\ud800'}
    page.encode()


def test_the_list_of_problems_says_what_it_leaves_out(episode):
    found = [episode(seed=300_000 + i, success=False) for i in range(LISTED + 3)]
    assert f'The worst {LISTED} of {LISTED + 3}.' in text_of(page_of(found))


def test_the_same_episodes_make_the_same_page(evaluation):
    assert page_of(evaluation(3)) == page_of(evaluation(3))


def test_charts_follow_the_theme(evaluation):
    page = page_of(evaluation(3))
    charts = ''.join(re.findall(r'<svg.*?</svg>', page, flags=re.DOTALL))
    assert not re.findall(r'#[0-9a-fA-F]{6}\b', charts)
    assert set(re.findall(r'var\(--(\w+)\)', charts)) <= set(COLOURS)
    assert 'prefers-color-scheme: dark' in page


@pytest.mark.parametrize('mode', [0, 1])
def test_colours_read_on_their_ground(mode):
    def luminance(code):
        channels = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return linear @ [0.2126, 0.7152, 0.0722]

    paper = luminance(COLOURS['paper'][mode])
    for name, needed in {'ink': 7, 'muted': 4.5, 'red': 4.5, 'green': 4.5, 'blue': 3}.items():
        light, dark = sorted((luminance(COLOURS[name][mode]), paper), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= needed, name


def test_thinning_keeps_the_peak():
    times = np.arange(5000) * 0.01
    values = np.full(5000, 0.2)
    values[3333] = 9.0
    values[100:200] = np.nan
    thin_times, thin = _peaks(times, values)
    assert len(thin) == BINS
    assert np.nanmax(thin) == 9.0
    assert times[3333] in thin_times


def test_odd_scores_are_drawn_or_left_out(traced):
    odd = [
        traced(seed=1, scores=np.full(40, np.nan)),
        traced(seed=2, scores=np.full(40, np.inf)),
        traced(seed=3, threshold=None),
        traced(seed=4, threshold=-1.0),
        traced(seed=5, ticks=0),
        traced(seed=6, scores=np.zeros(40), fallback=True, fallback_time=1.0),
        traced(seed=7, joints=np.zeros((0, 0))),
    ]
    assert novelty_limits(odd[:5]) is None
    low, high = novelty_limits(odd)
    assert 0 < low < 1 < high
    assert tree(page_of(odd)) is not None


def test_a_chart_is_labelled_for_those_who_cannot_see_it(evaluation):
    suites = summarise(evaluation(2), versions={})['suites']
    svg = to_svg(success_chart(suites, {name: name for name in suites}), 'a', 'rates & "more"')
    assert svg.startswith('<svg role="img" aria-label="rates &amp; &quot;more&quot;"')


def test_three_hundred_episodes_take_seconds(tmp_path, evaluation):
    found = evaluation(60)
    began = time.process_time()
    path = write_report(tmp_path, summarise(found, versions={}), found)
    assert time.process_time() - began < 10
    assert path.stat().st_size < 3_000_000


def test_videos_are_shown_and_what_is_not_shown_says_why(evaluation):
    found = evaluation(4)
    shown = EpisodeVideo(episode='0', file='nominal_300000.webp', text='Repetition: <it> was so.')
    other = EpisodeVideo(episode='1', text='No video: it was another.')
    videos = ReportVideos(
        by_name={'nominal_300000': shown, 'nominal_300001': other, 'ood_9': shown}
    )
    page = page_of(found, videos=videos)
    links = Links()
    links.feed(page)
    assert [t for t in links.targets if not t.startswith('#')] == ['videos/nominal_300000.webp']
    text = text_of(page)
    assert 'nominal, seed 300000: not solved. Repetition: <it> was so.' in text
    assert 'nominal, seed 300001: false alarm. No video: it was another.' in text
    assert 'No videos:' not in text
    text = text_of(page_of(found, videos=ReportVideos(missing='OpenGL is missing')))
    assert 'No videos: OpenGL is missing' in text
