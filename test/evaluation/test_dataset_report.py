import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from il_ros.core.dataset_summary import (
    Coverage,
    DatasetSummary,
    EpisodeSummary,
    FeatureSummary,
    JointSummary,
    StreamSummary,
    Thumbnail,
)
from il_ros.evaluation.dataset_report import (
    LEFT_OUT_LISTED,
    LISTED,
    _number,
    _share,
    dataset_json,
    render_dataset_report,
)
from il_ros.evaluation.html_pages import NOTHING
from il_ros.evaluation.svg import COLOURS

HOSTILE = '<script>alert(1)</script> & "\'> $x$ \x00\x1b[31m \ud800 {{ 7*7 }} </pre></svg>'
JPEG = b'\xff\xd8\xff\xe0 not a real one'


def episode(index, **changes):
    plain = {'id': f'e{index}', 'outcome': 'success', 'frames': 100, 'duration': 5.0}
    return EpisodeSummary(index=index, **(plain | changes))


def coverage(count, rng):
    return Coverage(
        episodes=np.arange(count),
        nearest=np.roll(np.arange(count), 1),
        distance=rng.uniform(0.0, 1.0, count) if count > 1 else np.full(count, np.nan),
        points=rng.normal(size=(10 * count, 2)),
        progress=rng.uniform(size=10 * count),
        starts=rng.normal(size=(count, 2)),
        ends=rng.normal(size=(count, 2)),
        explained=(0.6, 0.2),
        duplicate=0.05,
    )


def made(count=12, **changes):
    rng = np.random.default_rng(0)
    odd = episode(0, flagged=True, reasons=('flagged by the operator', '2 gaps in time'), gaps=2)
    edges = np.linspace(-1.05, 1.05, 41)
    plain = {
        'name': 'pick',
        'contract': 'arm',
        'contract_hash': 'c' * 64,
        'data_hash': 'd' * 64,
        'rate': 20.0,
        'frames': 100 * count,
        'duration': 5.0 * count,
        'outcomes': {'success': count},
        'tasks': {'place': count},
        'sources': {'expert': 0.75, 'none': 0.25},
        'episodes': (odd, *(episode(i, duration=4 + 0.1 * i) for i in range(1, count))),
        'left_out': (('/bags/x', 'x: outcome failure'), ('/bags/y', 'y: outcome failure')),
        'streams': (
            StreamSummary(
                key='arm', topic='joint_states', kind='observation', required=True, expected=100.0,
                bag_rate=99.0, rate=20.0, age_median=0.004, age_p95=0.0095, valid=0.5, lost=3.0,
            ),
            StreamSummary(key='cam', topic='image', kind='image', required=False, expected=0.0),
        ),
        'joints': (
            JointSummary(
                name='joint_1', lower=-1.0, upper=1.0, edges=edges,
                counts=np.arange(40.0), outside=7,
            ),
        ),
        'features': (
            FeatureSummary(
                key='arm', name='joint_1', mean=0.1, std=0.2, min=-1.0, max=np.nan,
                quantiles={'0.5': 0.125, '0.01': -0.9},
            ),
        ),
        'coverage': coverage(count, rng),
        'thumbnails': (
            Thumbnail(camera='cam', episode=0, moment='first', jpeg=JPEG),
            Thumbnail(camera='cam', episode=0, moment='middle', jpeg=b''),
            Thumbnail(camera='cam', episode=0, moment='last', jpeg=JPEG),
        ),
        'steps': {
            'alignment': {'valid_fraction.arm': 0.5, 'age_mean.arm': 0.004},
            'filter': {'frames': 1200.0, 'rms_change': 0.0123},
            'nothing': {},
        },
        'notes': ('Streams are those of 3 episodes.',),
        'versions': {'il_ros': '1.0'},
    }  # fmt: skip
    return DatasetSummary(**(plain | changes))


def empty():
    return made(
        0, episodes=(), left_out=(), streams=(), joints=(), features=(), coverage=None,
        thumbnails=(), steps={}, notes=(), versions={}, outcomes={}, tasks={}, sources={},
    )  # fmt: skip


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.targets = set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        names = ('src', 'href', 'xlink:href', 'srcset', 'action', 'data', 'poster')
        self.targets += [value for name, value in attributes if name in names]


def tree(page):
    """Every element closed, every attribute quoted: the page is XML too."""
    assert page.startswith('<!DOCTYPE html>')
    return ET.fromstring(page.split('\n', 1)[1])


def text_of(page):
    return ' '.join(' '.join(tree(page).itertext()).split())


def test_the_page_needs_nothing_from_elsewhere():
    page = render_dataset_report(made(), command='il_ros x')
    links = Links()
    links.feed(page)
    assert links.targets
    assert all(t.startswith(('#', 'data:image/')) for t in links.targets)
    assert not {'script', 'link', 'iframe', 'object', 'base', 'form'} & links.tags
    assert '@import' not in page
    assert not re.search(r'url\((?!#)', page)
    assert not re.search(r'https?://(?!www\.w3\.org/)', page)


def test_ids_are_unique_and_references_hit():
    page = render_dataset_report(made())
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^")]+)', page)) <= set(ids)


def test_what_is_suspicious_comes_first_with_its_reasons():
    text = text_of(render_dataset_report(made()))
    assert text.index('flagged by the operator') < text.index('e1 ')
    for words in (
        'Dataset pick',
        'suspicious 1',
        '1 of 12 are suspicious and come first',
        '2 gaps in time',
        '12 success',
        'expert 75.0 %, none 25.0 %',
        'Streams are those of 3 episodes.',
        'outcome failure 2',
        'joint_1 in 7 frames',
        '4.0 9.5 50.0 %',  # ages [ms] and validity
        '1 % 50 %',  # quantiles in order
        'frames 1200, rms change 0.0123',
        'first component (60% of the variance)',
        'no image',
    ):
        assert words in text, words


def test_charts_and_images_are_in_the_page():
    page = render_dataset_report(made())
    assert page.count('<svg') == 5
    assert page.count('data:image/jpeg;base64,') == 2
    assert 'var(--blue)' in page
    assert all(f'--{name}: {dark}' in page for name, (_, dark) in COLOURS.items())


def test_what_comes_from_bags_is_escaped_everywhere():
    hostile = made(
        name=HOSTILE,
        contract=HOSTILE,
        outcomes={HOSTILE: 1},
        tasks={HOSTILE: 1},
        sources={HOSTILE: 1.0},
        episodes=(
            episode(0, id=HOSTILE, task=HOSTILE, notes=HOSTILE, outcome=HOSTILE, bag=HOSTILE,
                    reasons=(HOSTILE,)),
        ),
        left_out=((HOSTILE, HOSTILE),),
        streams=(
            StreamSummary(key=HOSTILE, topic=HOSTILE, kind=HOSTILE, required=True, expected=1.0),
        ),
        joints=tuple(dataclasses.replace(j, name=HOSTILE) for j in made().joints),
        features=tuple(dataclasses.replace(f, key=HOSTILE, name=HOSTILE) for f in made().features),
        thumbnails=(Thumbnail(camera=HOSTILE, episode=0, moment=HOSTILE, jpeg=JPEG),),
        steps={HOSTILE: {f'{HOSTILE}.{HOSTILE}': 1.0, 'plain' + HOSTILE.replace('.', ''): 2.0}},
        notes=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
        coverage=None,
    )  # fmt: skip
    page = render_dataset_report(hostile, command=HOSTILE)
    assert '<script' not in page
    assert '{{ 7*7 }}' in text_of(page)
    assert 'alert(1)' in text_of(page)
    assert not re.search(r'[\x00-\x08\x0b\x0c\x0e-\x1f\ud800]', page)
    page.encode('utf-8')
    assert json.loads(dataset_json(hostile).encode('utf-8'))['episodes'][0][
        'id'
    ] == HOSTILE.replace('\ud800', '?')


def test_an_empty_dataset_has_a_page_that_says_so():
    page = render_dataset_report(empty())
    text = text_of(page)
    assert '<svg' not in page
    for words in ('episodes 0', 'None.', 'nothing to draw', 'nothing to compare'):
        assert words in text
    assert 'Left out Reason' not in text


def test_one_episode_has_no_distance():
    page = render_dataset_report(made(1))
    assert page.count('<svg') == 4
    assert 'There is no second episode to compare with.' in text_of(page)


def test_nan_everywhere_is_a_dash():
    nan = np.nan
    bare = made(
        streams=(
            StreamSummary(key='arm', topic='t', kind='observation', required=True, expected=0.0),
        ),
        features=(FeatureSummary(key='arm', name='0', mean=nan, std=nan, min=nan, max=nan),),
        episodes=(episode(0, duration=0.0),),
        coverage=None,
    )  # fmt: skip
    assert 'nan' not in text_of(render_dataset_report(bare)).lower()


def test_of_many_only_some_are_listed_and_it_says_so():
    many = made(
        episodes=tuple(episode(i) for i in range(1000)),
        left_out=tuple((f'b{i}', f'b{i}: cut') for i in range(500)),
        coverage=coverage(1000, np.random.default_rng(1)),
    )
    page = render_dataset_report(many)
    text = text_of(page)
    assert f'{LISTED} are listed, the JSON has all' in text
    assert f'the first {LEFT_OUT_LISTED} of 500' in text
    assert 'cut 500' in text
    assert len(page) < 2_000_000


def test_json_has_all_of_it_but_the_pixels():
    found = json.loads(dataset_json(made()))
    assert len(found['episodes']) == 12
    assert found['episodes'][0]['reasons'] == ['flagged by the operator', '2 gaps in time']
    assert found['episodes'][0]['jerk'] is None
    assert found['features'][0]['max'] is None
    assert found['coverage']['nearest'][0] == 11
    assert np.shape(found['coverage']['points']) == (120, 2)
    assert found['thumbnails'][0] == {'camera': 'cam', 'episode': 0, 'moment': 'first'}


def test_pages_are_the_same_every_time():
    assert render_dataset_report(made()) == render_dataset_report(made())


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (None, NOTHING), (np.nan, NOTHING), (np.inf, NOTHING), (0.0, '0'), (1234.5, '1234'),
        (0.01234, '0.0123'),
        (-3.14159, '-3.14'), (1e-7, '1.00e-07'), (2.5e9, '2.50e+09'), (20.0, '20.0'),
    ],
)  # fmt: skip
def test_numbers_have_three_places(value, text):
    assert _number(value) == text


@pytest.mark.parametrize(
    ('share', 'text'),
    [(0.0, '0 %'), (1.0, '100 %'), (0.5, '50.0 %'), (1e-6, '0.1 %'), (0.99999, '99.9 %')],
)
def test_what_is_not_quite_all_does_not_look_like_all(share, text):
    assert _share(share) == text
