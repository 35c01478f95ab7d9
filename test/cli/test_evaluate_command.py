import json
from pathlib import Path

import pytest

from il_ros.cli.evaluate_command import evaluate
from il_ros.cli.main import main
from il_ros.core.errors import EvaluationError
from il_ros.evaluation.episode_result import read_episodes
from il_ros.rollouts.video_maker import VideoConfig

pytestmark = pytest.mark.usefixtures('quick_scores')

REACH = Path('config/contracts/franka_reach.yaml')
SUITE = """
goal_lost:
  - {kind: sensor_dropout, target: goal_position, start: 0.2}
"""


def run(bundle, folder, episodes, *, suite=SUITE, **options):
    path = folder / 'suite.yaml'
    path.write_text(suite)
    return evaluate(
        bundle,
        REACH,
        path,
        folder / 'out',
        task='reach',
        heuristic='hold',
        episodes=episodes,
        floor=1,
        in_process=True,
        processes=1,
        **options,
    )


def lines(folder):
    return (folder / 'out/episodes.jsonl').read_text().splitlines()


@pytest.fixture(scope='module')
def whole(reach_bundle, tmp_path_factory):
    """An evaluation that was never broken off."""
    folder = tmp_path_factory.mktemp('whole')
    assert run(reach_bundle, folder, 2) == 0
    return folder


def test_a_report_without_ros(whole):
    facts = json.loads((whole / 'out/report.json').read_text())
    assert facts['episodes'] == 9
    assert (facts['nominal']['successes'], facts['ood']['detected']) == (2, 2)
    assert facts['nominal']['action_error']['episodes'] == 2
    assert facts['expert']['action_error'] is None
    assert facts['training']['algorithm'] == 'bc'
    assert len((whole / 'out/episodes.csv').read_text().splitlines()) == 10
    assert '--in-process' in (whole / 'out/report.html').read_text()


def test_what_is_there_is_not_run_again(reach_bundle, whole, tmp_path):
    (tmp_path / 'out').mkdir()
    for name in ('evaluation.json', 'episodes.jsonl'):
        (tmp_path / 'out' / name).write_bytes((whole / 'out' / name).read_bytes())
    path = tmp_path / 'out/episodes.jsonl'
    path.write_text('\n'.join(lines(whole)[:5]) + '\n' + lines(whole)[5][:40])
    assert run(reach_bundle, tmp_path, 2) == 0
    same = zip(read_episodes(path), read_episodes(whole / 'out/episodes.jsonl'), strict=True)
    for resumed, straight in same:
        assert (resumed.suite, resumed.seed) == (straight.suite, straight.seed)
        assert resumed.joints.tolist() == straight.joints.tolist()
    assert lines(tmp_path)[:5] == lines(whole)[:5]


def test_a_longer_evaluation_keeps_the_shorter_one(reach_bundle, whole, tmp_path):
    (tmp_path / 'out').mkdir()
    for name in ('evaluation.json', 'episodes.jsonl'):
        (tmp_path / 'out' / name).write_bytes((whole / 'out' / name).read_bytes())
    assert run(reach_bundle, tmp_path, 3, suites=('nominal',)) == 0
    assert lines(tmp_path)[:9] == lines(whole)
    assert len(lines(tmp_path)) == 10
    assert json.loads((tmp_path / 'out/report.json').read_text())['nominal']['episodes'] == 3


def test_another_suite_file_is_not_mixed_in(reach_bundle, whole):
    before = lines(whole)
    with pytest.raises(EvaluationError, match=r'perturbations\.goal_lost is \w{16} there'):
        run(reach_bundle, whole, 2, suite=SUITE.replace('0.2', '0.3'))
    assert lines(whole) == before


def test_a_heuristic_that_is_not_there_is_an_error_of_one_line(reach_bundle, tmp_path, capsys):
    (tmp_path / 'suite.yaml').write_text(SUITE)
    arguments = ['evaluate', '--bundle', str(reach_bundle), '--contract', str(REACH)]
    arguments += ['--perturbations', str(tmp_path / 'suite.yaml'), '--out', str(tmp_path / 'out')]
    arguments += ['--task', 'reach', '--heuristic', 'guess', '--suites', 'heuristic']
    arguments += ['--episodes', '1', '--in-process', '--processes', '1']
    assert main(arguments) == 2
    assert "error: unknown expert 'guess'; allowed: " in capsys.readouterr().err


def test_the_worst_episodes_have_videos_next_to_the_report(reach_bundle, tmp_path):
    push = '{kind: push, target: hand, start: 0.2, duration: 0.5, value: [0.0, 400.0, 0.0]}'
    pushed = f'pushed:\n  - {push}\n'  # a violation
    small = VideoConfig(count=1, width=32, height=24, renderer='rays')
    options = {'suite': pushed, 'suites': ('ood',), 'videos': small}
    assert run(reach_bundle, tmp_path, 2, **options) == 0
    (video,) = (tmp_path / 'out/videos').glob('*.webp')
    page = (tmp_path / 'out/report.html').read_text()
    assert f'src="videos/{video.name}"' in page
    assert 'every command is the same' in page
    made = video.stat().st_mtime_ns
    assert run(reach_bundle, tmp_path, 2, **options) == 0
    assert video.stat().st_mtime_ns == made
