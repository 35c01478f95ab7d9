import numpy as np
import pytest

from il_ros.core.errors import DatasetError
from il_ros.datasets.dataset import assemble
from il_ros.monitors.conformal import CalibrationError
from il_ros.policies.calibration import Calibration, Novelty, NoveltyFeatures, calibrate, enough


@pytest.fixture(scope='module')
def novelty(task):
    return Novelty.fit(task.dataset(range(20)), range(20))


def limit(novelty, dataset, episodes, alpha=0.1):
    return calibrate(
        novelty, dataset, episodes, alpha=alpha, window=5, source='rollouts', policy_id='p'
    )


def test_the_threshold_is_of_the_largest_windowed_score_of_each_episode(task, novelty):
    dataset = task.dataset(range(100, 119))
    found = limit(novelty, dataset, range(19))
    scores = [novelty.score.score(novelty.features.of_frame(f)) for f in task.episode(103).frames]
    windowed = [np.mean(scores[max(0, i - 4) : i + 1]) for i in range(len(scores))]
    assert found.maxima[3] == pytest.approx(max(windowed), rel=1e-4)
    assert found.value == sorted(found.maxima)[17]  # rank ceil(20 * 0.9) of 19
    assert found.episodes[0] == 'e100'
    assert found.seeds == tuple(range(100, 119))
    calibration = Calibration(novelty=novelty, limit=found)
    assert (calibration.threshold, calibration.window) == (found.value, 5)


def test_what_is_new_scores_above_what_was_held_out(task, novelty):
    found = limit(novelty, task.dataset(range(100, 119)), range(19))

    def score(frame):
        return novelty.score.score(novelty.features.of_frame(frame))

    assert score(task.frame(0, a=0.1, x=0.4)) < found.value
    assert score(task.frame(0, a=0.1, x=1.5)) > 2 * found.value  # the object is elsewhere
    assert not score(task.frame(0, object=True)) <= found.value  # and a NaN is never normal
    assert np.isfinite(score(task.frame(0, goal=True)))


def test_floating_noise_on_what_does_not_vary_is_no_novelty(task, novelty):
    frame = task.frame(0, a=0.1, x=0.4)
    before = novelty.score.score(novelty.features.of_frame(frame))
    frame.values['goal'][:] += 1e-6
    frame.values['wrench'][:] += 1e-6
    assert novelty.score.score(novelty.features.of_frame(frame)) == pytest.approx(before, rel=1e-2)


def test_it_is_made_again_from_its_arrays(task, novelty):
    again = Novelty.from_arrays(task.contract, novelty.kind, novelty.arrays())
    x = novelty.features.of_frame(task.frame(0))
    np.testing.assert_array_equal(again.features.of_frame(task.frame(0)), x)
    assert again.score.score(x) == novelty.score.score(x)


def test_fitting_is_repeatable(task, novelty):
    again = Novelty.fit(task.dataset(range(20)), range(20))
    for name, array in novelty.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_of_one_frame_and_of_a_dataset_are_the_same(task):
    dataset = task.dataset([1, 2])
    features = NoveltyFeatures.fit(dataset, dataset.rows([0, 1]))
    one = features.of_frame(task.episode(2).frames[3])
    np.testing.assert_allclose(features.of_dataset(dataset, np.array([33]))[0], one, atol=1e-5)


def test_too_few_episodes_and_failures_are_refused(task, novelty):
    assert enough(19, 0.05)
    assert not enough(18, 0.05)
    with pytest.raises(
        CalibrationError, match=r'18 episodes are too few for alpha 0.05; allowed: '
    ):
        limit(novelty, task.dataset(range(100, 118)), range(18), alpha=0.05)
    failed = task.episode(100)
    object.__setattr__(failed.entry, 'outcome', 'failure')
    with pytest.raises(DatasetError, match='calibration: e100 did not succeed; to fix: build the'):
        limit(novelty, assemble(task.contract, [failed]), [0])
