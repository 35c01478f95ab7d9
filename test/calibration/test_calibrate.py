from dataclasses import replace

import numpy as np
import pytest

from il_ros.calibration.calibrate import CalibrationConfig, calibrate
from il_ros.calibration.conformal_calibration import episodes_needed
from il_ros.calibration.fit_scores import DEFAULT_CHANNELS, channels_named, fit_bank, traces
from il_ros.core.errors import DatasetError, IlRosError, UnknownNameError
from il_ros.datasets.memory_dataset import assemble
from il_ros.monitors.calibrated_scores import FittedScores
from il_ros.monitors.conformal_thresholds import CalibrationError
from il_ros.monitors.scores.score import SCORES
from il_ros.policies.policy import Policy
from il_ros.policies.score_inputs import ScoreInputs

pytestmark = pytest.mark.usefixtures('quick_scores')

LOOK = ('look', 'clustered_mahalanobis', 'observation')
ANSWER = ('answer', 'tce', 'observation')
INSIDE = ('inside', 'mahalanobis', 'embedding')


@pytest.fixture(scope='module')
def policy(task, follower):
    return follower(task.contract)


@pytest.fixture(scope='module')
def scores(task, policy):
    return fit_bank(policy, task.dataset(range(20)), range(20), [LOOK])


@pytest.fixture(scope='module')
def several(task, policy):
    return fit_bank(policy, task.dataset(range(20)), range(20), [LOOK, ANSWER, INSIDE])


def limit(scores, policy, dataset, episodes, alpha=0.1, **options):
    config = CalibrationConfig(**{'alpha': alpha, 'varying': False, **options})
    return calibrate(
        scores, policy, dataset, episodes, source='rollouts', policy_id='p', config=config
    )


def score(scores, policy, frame):
    bank = scores.bank(1)
    return float(bank.trace([ScoreInputs.of_scores(policy, scores).of_frame(frame)])[0, 0])


def test_the_threshold_is_of_the_largest_windowed_score_of_each_episode(task, scores, policy):
    dataset = task.dataset(range(100, 119))
    found = limit(scores, policy, dataset, range(19))
    each = [score(scores, policy, frame) for frame in task.episode(103).frames]
    windowed = [np.mean(each[max(0, i - 4) : i + 1]) for i in range(len(each))]
    assert found.maxima[3] == pytest.approx(max(windowed), rel=1e-4)
    assert found.stop == sorted(found.maxima)[17]  # rank ceil(20 * 0.9) of 19
    assert found.thresholds.at(0)[0] == found.stop  # a single score keeps its unit
    assert found.episodes[0] == 'e100'
    assert found.seeds == tuple(range(100, 119))
    assert (found.window, found.longest, found.begin) == (5, 30, (0,))


def test_what_is_new_scores_above_what_was_held_out(task, scores, policy):
    found = limit(scores, policy, task.dataset(range(100, 119)), range(19))
    assert score(scores, policy, task.frame(0, a=0.1, x=0.4)) < found.stop
    assert score(scores, policy, task.frame(0, a=0.1, x=1.5)) > 2 * found.stop
    assert not score(scores, policy, task.frame(0, object=True)) <= found.stop
    assert np.isfinite(score(scores, policy, task.frame(0, goal=True)))


def test_floating_noise_on_what_does_not_vary_is_no_novelty(task, scores, policy):
    frame = task.frame(0, a=0.1, x=0.4)
    before = score(scores, policy, frame)
    frame.values['goal'][:] += 1e-6
    frame.values['wrench'][:] += 1e-6
    assert score(scores, policy, frame) == pytest.approx(before, rel=1e-2)


@pytest.mark.parametrize('few', [[4], [4, 11]])
def test_the_few_episodes_that_set_the_thresholds_are_named(task, several, policy, few):
    found = limit(several, policy, task.dataset(range(100, 130)), range(30))
    assert found.odd == ((), 1.0)
    values, top = list(found.maxima), max(found.maxima)
    for rank, index in enumerate(few):
        values[index] = (3.0 + 0.1 * rank) * top
    odd = replace(found, maxima=tuple(values), stop=max(values))
    names, times = odd.odd
    assert sorted(names) == [f'e{106 + index}' for index in few]  # 6 went to the scales
    assert times == pytest.approx(3.0 + 0.1 * (len(few) - 1))
    # Where the threshold lies below them they set nothing.
    assert replace(found, maxima=tuple(values)).odd == ((), 1.0)


def test_several_scores_share_one_threshold(task, several, policy):
    dataset = task.dataset(range(100, 130))
    found = limit(several, policy, dataset, range(30), varying=False)
    thresholds = found.thresholds
    assert thresholds.loc.shape == thresholds.scale.shape == (3, 1)
    assert (len(found.episodes), len(found.maxima)) == (30, 24)  # 6 for the scales
    assert found.begin == (0, 1, 0)  # two chunks it takes to compare one with the other
    held_out = traces(several, policy, dataset, range(6, 30))
    heights = [(t - thresholds.loc[:, 0]) / thresholds.scale[:, 0] for t in held_out]
    tops = [np.nanmax(np.nanmean(height, axis=1)) for height in heights]
    np.testing.assert_allclose(found.maxima, tops)
    assert 0 < found.warn <= 1


def test_thresholds_may_follow_the_course_of_an_episode(task, several, policy):
    found = limit(several, policy, task.dataset(range(100, 130)), range(30), varying=True)
    assert found.varying
    assert np.shape(found.loc) == np.shape(found.scale) == (3, 30)
    assert len(found.maxima) == 20


def test_they_are_made_again_from_their_arrays(task, several, policy):
    again = FittedScores.from_arrays(
        task.contract, several.specs, several.horizon, several.arrays()
    )
    dataset = task.dataset([5])
    (one,), (other,) = (traces(s, policy, dataset, [0]) for s in (several, again))
    np.testing.assert_array_equal(one, other)
    assert np.isfinite(one[1:]).all()


def test_fitting_is_repeatable(task, several, policy):
    same = fit_bank(policy, task.dataset(range(20)), range(20), [LOOK, ANSWER, INSIDE])
    other = fit_bank(policy, task.dataset(range(20)), range(20), [LOOK], seed=1)
    for name, array in several.arrays().items():
        np.testing.assert_array_equal(same.arrays()[name], array)
    assert not np.array_equal(
        other.arrays()['score.look.means'], several.arrays()['score.look.means']
    )


def test_what_the_expert_did_next_stays_within_its_episode(task, policy, monkeypatch):
    seen = []

    class Spy:
        needs = ('chunk',)

        def fit(self, normal):
            seen.append(normal)
            return self

        def reset(self):
            pass

    monkeypatch.setattr('il_ros.calibration.fit_scores.lookup', lambda *_: Spy)
    dataset = task.dataset(range(3), length=4)
    fit_bank(policy, dataset, [0, 2], [('spy', 'spy', 'observation')])
    (normal,) = seen
    assert list(normal.lengths) == [4, 4]
    assert normal.chunks.shape == (8, 3, 2)  # as many steps as the policy answers
    first = dataset.action[:4]
    np.testing.assert_array_equal(normal.chunks[1], first[1:4])
    np.testing.assert_array_equal(normal.chunks[3], first[[3, 3, 3]])
    np.testing.assert_array_equal(normal.position[4], [dataset.values['arm'][8, 0], 0.0])
    assert normal.features.shape[0] == 8


def test_a_policy_without_an_embedding_is_refused(task, policy, monkeypatch):
    monkeypatch.setattr(type(policy), 'embedding', Policy.embedding)
    with pytest.raises(IlRosError) as caught:
        fit_bank(policy, task.dataset(range(3)), range(3), [INSIDE])
    assert str(caught.value) == (
        "score_channels: a policy of kind 'follower' has no embedding; to fix: name scores without "
        '_embedding, such as knn'
    )


@pytest.mark.parametrize(('episodes', 'alpha', 'channels', 'is_enough'), [
    (59, 0.02, 1, True), (58, 0.02, 1, False), (58, 0.02, 3, False), (59, 0.02, 3, True),
])  # fmt: skip
def test_how_many_episodes_are_enough(episodes, alpha, channels, is_enough):
    assert (episodes >= episodes_needed(alpha, channels, varying=True)) == is_enough


def test_too_few_episodes_and_failures_are_refused(task, scores, policy):
    with pytest.raises(
        CalibrationError, match=r'18 episodes are too few for alpha 0.05; allowed: '
    ):
        limit(scores, policy, task.dataset(range(100, 118)), range(18), alpha=0.05)
    failed = task.episode(100)
    object.__setattr__(failed.entry, 'outcome', 'failure')
    with pytest.raises(DatasetError, match='calibration: e100 did not succeed; to fix: build the'):
        limit(scores, policy, assemble(task.contract, [failed]), [0])


def test_the_default_scores_can_be_had(task, policy):
    found = fit_bank(policy, task.dataset(range(20)), range(20))
    assert found.specs == DEFAULT_CHANNELS


def test_chunks_of_one_step_are_not_compared_with_each_other(task, policy):
    class OneStep(type(policy)):
        def act(self, frame):
            return super().act(frame)[:1]

    found = fit_bank(OneStep(task.contract), task.dataset(range(20)), range(20))
    assert [name for name, _, _ in found.specs] == ['knn_embedding', 'flow', 'ensemble']


def test_channels_are_chosen_by_name():
    assert channels_named(['knn_embedding', 'flow', 'ensemble', 'tce']) == DEFAULT_CHANNELS
    assert channels_named([]) == ()


@pytest.mark.parametrize(
    ('names', 'text'),
    [
        (['luck'], "unknown score 'luck'; allowed: clustered_mahalanobis, cusum, "),
        (['luck_embedding'], "unknown score 'luck'; allowed: "),
        (
            ['tce_embedding'],
            "score_channels: 'tce_embedding': 'tce' reads no features; allowed: tce",
        ),
        (['flow', 'flow'], "score_channels: 'flow' is given twice; allowed: different names"),
    ],
)
def test_channels_that_there_are_not_are_refused(names, text):
    with pytest.raises(IlRosError) as caught:
        channels_named(names)
    assert str(caught.value).startswith(text)
    assert isinstance(caught.value, UnknownNameError) == text.startswith('unknown')


def test_a_plugin_whose_name_ends_like_an_embedding_is_the_score_itself(monkeypatch):
    place = 'il_ros.monitors.scores.tce:TemporalConsistency'
    monkeypatch.setitem(SCORES, 'word_embedding', place)
    assert channels_named(['word_embedding']) == (
        ('word_embedding', 'word_embedding', 'observation'),
    )


def test_an_episode_that_counts_twice_is_refused(task, scores, policy):
    """The promise is about as many different episodes, not one of them many times."""
    dataset = task.dataset(range(100, 119))
    text = 'calibration: an episode is given twice; allowed: different episodes'
    with pytest.raises(DatasetError, match=text):
        limit(scores, policy, dataset, [0] * 19)
    with pytest.raises(DatasetError, match=text):
        limit(scores, policy, dataset, [*range(18), 17])


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'window': 0}, 'window: got 0; allowed: 1 to 100000'),
        ({'window': -1}, 'window: got -1; allowed: 1 to 100000'),
        ({'window': 10**30}, 'window: got 1000'),
        ({'alpha': 0.0}, r'alpha is 0\.0; allowed: 0 < alpha < 1'),
        ({'alpha': 1.0}, r'alpha is 1\.0; allowed: 0 < alpha < 1'),
        ({'alpha': float('nan')}, 'alpha is nan; allowed: 0 < alpha < 1'),
        ({'alpha': -0.1}, r'alpha is -0\.1'),
        ({'warn_alpha': 0.05}, r'warn alpha is 0\.05; allowed: 0\.1 or more'),
        ({'warn_alpha': float('nan')}, 'warn alpha is nan'),
        ({'alpha': 1e-9}, '19 episodes are too few for alpha 1e-09; allowed: 999999999 or more'),
    ],
)
def test_settings_of_which_no_threshold_comes_are_refused(task, scores, policy, options, text):
    with pytest.raises(IlRosError, match=text):
        limit(scores, policy, task.dataset(range(100, 119)), range(19), **options)


def test_no_episode_at_all_is_too_few(task, scores, policy):
    with pytest.raises(
        CalibrationError, match=r'0 episodes are too few for alpha 0\.1; allowed: 9'
    ):
        limit(scores, policy, task.dataset(range(100, 103)), [])


def test_an_episode_in_which_a_score_is_not_known_is_refused(task, scores, policy):
    """A required observation was missing for a while: no threshold may be made without it."""
    dataset = task.dataset(range(100, 119))
    dataset.values['object'][35:37] = np.nan
    with pytest.raises(CalibrationError, match='look: an episode has a score that is not finite'):
        limit(scores, policy, dataset, range(19))


def test_the_order_of_the_episodes_does_not_matter_to_one_score(task, scores, policy):
    dataset = task.dataset(range(100, 119))
    one = limit(scores, policy, dataset, range(19))
    other = limit(scores, policy, dataset, np.random.default_rng(0).permutation(19).tolist())
    assert (one.stop, one.warn, one.longest) == (other.stop, other.warn, other.longest)
    assert sorted(one.maxima) == sorted(other.maxima)
