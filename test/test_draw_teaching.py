"""The script of the front page's moving picture still does what its captions say."""

import importlib.util
from pathlib import Path

from PIL import Image

from il_ros.sim.perturbations import Perturbation

ROOT = Path(__file__).parents[1]


def script():
    """The module, which is no part of the package, for the task that trains in seconds."""
    spec = importlib.util.spec_from_file_location('draw_teaching', ROOT / 'docs/draw_teaching.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.TASK, module.CONTRACT = 'reach', ROOT / 'config/contracts/franka_reach.yaml'
    module.SHOWN, module.DISTURBANCE = 1, 'goal_reading_wrong'
    return module


def test_a_demonstration_a_policy_and_a_policy_that_is_stopped(reach_bundle, monkeypatch, capsys):
    module, videos = script(), []
    wrong = Perturbation(kind='sensor_bias', target='goal_position', value=(0.0, 0.15, 0.25))
    suite = {module.DISTURBANCE: (wrong,)}
    monkeypatch.setattr(module, 'load_perturbations', lambda path: suite)
    monkeypatch.setattr(module, 'picture', lambda stage: Image.new('RGB', (8, 8)))
    monkeypatch.setattr(module.Video, 'save', lambda video, path: videos.append(video))
    module.main(reach_bundle)
    demonstration, policy, disturbed, _ = capsys.readouterr().out.splitlines()
    assert 'goal reached' in demonstration
    assert 'goal reached' in policy
    assert 'above threshold' in disturbed
    (video,) = videos
    assert len(video.images) == len(video.durations)
    stopped = video.images[-1].getpixel((1, 1))
    assert stopped != video.images[0].getpixel((1, 1))  # the title bar turns red
