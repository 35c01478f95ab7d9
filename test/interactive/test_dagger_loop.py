import contextlib
import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coaching import LeastSquares, PointMass, point_expert

from il_ros.algorithms import safe_dagger, thrifty_dagger
from il_ros.algorithms.dagger import DaggerConfig
from il_ros.algorithms.flat_bc import FlatBcConfig
from il_ros.algorithms.query_rules import make_rule
from il_ros.algorithms.transitions import EXPERT, join
from il_ros.core import atomic_files
from il_ros.core.errors import DatasetError, IlRosError
from il_ros.evaluation.suites import SEEDS
from il_ros.interactive.budget import Budget, Spent
from il_ros.interactive.dagger_loop import DaggerLoop, DaggerLoopConfig
from il_ros.interactive.episode_env import (
    EpisodeOutcome,
    GymEpisodeEnv,
    SimulatedOperator,
    SimulatedOperatorConfig,
    StepContext,
)
from il_ros.interactive.learner import FlatLearner
from il_ros.interactive.offline_labelling import label_waiting
from il_ros.interactive.round_journal import RoundJournal

SHIFTS = (-0.3, -0.1, 0.1, 0.3, 0.0)
SHORT = DaggerLoopConfig(rounds=2, episodes=2, evaluations=2, evaluate_every=1)


class Logged(GymEpisodeEnv):
    """Knows the seeds of its episodes."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seeds = []

    def run(self, seed, source):
        self.seeds.append(seed)
        return super().run(seed, source)


def run(folder, config=SHORT, *, rule='dagger', settings=(), learner=None, env=None, told=None):
    env = env or GymEpisodeEnv(PointMass(), point_expert)
    with RoundJournal(folder, {'rule': rule, 'settings': list(settings)}) as journal:
        coach = DaggerLoop(
            env, learner or LeastSquares(), make_rule(rule, settings), journal, config
        )
        return coach.run(told)


def record(folder):
    with RoundJournal(folder, {'rule': 'dagger', 'settings': []}) as journal:
        return join([steps for round_ in range(9) for steps in journal.episodes(round_)])


def test_dagger_beats_cloning_with_as_many_labels(tmp_path):
    env = GymEpisodeEnv(PointMass(), point_expert)
    learner = FlatLearner(
        low=env.low, high=env.high,
        config=FlatBcConfig(hidden_dims=(32,), batch_size=32, epochs=60, device='cpu'),
    )  # fmt: skip
    few = DaggerLoopConfig(
        rounds=30, episodes=1, budget=Budget(labels=PointMass.horizon), evaluations=20
    )
    _, dagger = run(tmp_path / 'dagger', few, learner=learner, env=env, settings=['ask=0.2'])
    assert dagger.spent.labels == PointMass.horizon  # as many as a second demonstration has
    shown = DaggerLoopConfig(rounds=0, demonstrations=2, evaluations=20)
    _, cloned = run(tmp_path / 'cloned', shown, learner=learner, env=env)
    assert cloned.steps == 2 * PointMass.horizon
    assert np.mean(dagger.gains) > np.mean(cloned.gains) + 5
    assert np.min(dagger.gains) > np.min(cloned.gains)


def test_rounds_are_told_and_counted(tmp_path):
    told = []
    _, last = run(tmp_path, told=told.append)
    assert [each.round for each in told] == [0, 1, 2]
    assert told[-1] == last
    assert len({each.policy_id for each in told}) == 3
    steps = record(tmp_path)
    assert last.steps == len(steps)
    assert last.spent == Spent.of([steps], 0.1)
    assert [len(each.gains) for each in told] == [2, 2, 2]
    # The learner of round 1 drove round 1's episodes with the policy of round 0.
    assert {*steps.policy_id[steps.round == 1]} == {told[0].policy_id}
    assert (steps.source[steps.round == 0] == EXPERT).all()


def test_collection_trials_and_evaluation_share_no_seed(tmp_path):
    env = Logged(PointMass(), point_expert)
    run(tmp_path, replace(SHORT, stages=2, trials=2), env=env)
    parts = {next(name for name, seeds in SEEDS.items() if seed in seeds) for seed in env.seeds}
    assert parts == {'demonstrations', 'corrections', 'calibration', 'nominal'}
    collected = [seed for seed in env.seeds if seed in SEEDS['corrections']]
    assert len(set(collected)) == len(collected) == 4


@pytest.mark.parametrize(
    'rule', ['safe_dagger', 'lazy_dagger', 'ensemble_dagger', 'thrifty_dagger', 'dart']
)
def test_every_rule_runs_and_keeps_to_the_budget(tmp_path, rule):
    env = GymEpisodeEnv(PointMass(), point_expert, limit='success')
    learner = FlatLearner(
        low=env.low, high=env.high,
        config=FlatBcConfig(
            hidden_dims=(16,), batch_size=64, epochs=20, device='cpu',
            members=make_rule(rule).members,
        ),
    )  # fmt: skip
    config = DaggerLoopConfig(
        rounds=3, episodes=2, labels=50, budget=Budget(labels=120), evaluations=1
    )
    _, last = run(tmp_path, config, rule=rule, learner=learner, env=env)
    assert 0 < last.spent.labels <= 120


def test_the_best_stage_stays_by_what_it_does_not_by_its_loss(tmp_path):
    class Staged(LeastSquares):
        """The first stage's policy is right, the later ones are not."""

        def fit(self, steps, **how):
            fitted = super().fit(steps, **how)
            return replace(fitted, matrix=fitted.matrix * (1.0 if self.fits == 1 else 0.1))

    learner = Staged()
    config = replace(SHORT, rounds=0, stages=10, patience=2, trials=2)
    actor, _ = run(tmp_path, config, learner=learner)
    expected, _ = run(tmp_path / 'other', replace(config, stages=1))
    np.testing.assert_array_equal(actor.matrix, expected.matrix)
    assert learner.fits == 3  # the best one and two more, of patience


class Killed(BaseException):
    """The process is gone; nothing is cleaned up after it."""


@pytest.fixture
def dying(monkeypatch):
    """A function that lets the n-th sync or rename from now on be the last thing that happens."""
    left, replaced, synced = [-1], os.replace, os.fsync

    def counted(call):
        def after(*args):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return call(*args)

        return after

    def die(at):
        left[0] = at
        return left

    monkeypatch.setattr(atomic_files.os, 'replace', counted(replaced))
    monkeypatch.setattr(atomic_files.os, 'fsync', counted(synced))
    monkeypatch.setattr(Path, 'unlink', lambda path, missing_ok=False: None)
    return die


def test_killed_at_any_write_it_goes_on_as_if_it_had_not_been(tmp_path, dying):
    config = replace(SHORT, labels=70, budget=Budget(labels=100))
    _, expected = run(tmp_path / 'whole', config)
    whole = record(tmp_path / 'whole')
    at, finished = 1, False
    while not finished:
        folder = tmp_path / f'killed_{at}'
        left = dying(at)
        try:
            run(folder, config)
            finished = True
        except Killed:
            left[0] = -1
            _, result = run(folder, config)
            assert result == expected
            found = record(folder)
            np.testing.assert_array_equal(found.expert, whole.expert)
            np.testing.assert_array_equal(found.executed, whole.executed)
            assert Spent.of([found], PointMass.dt) == expected.spent
        at += 1
    assert at > 25  # files of two writes each: manifest, 4 episodes, 3 policies, 3 results


def test_a_finished_run_does_nothing_more(tmp_path):
    _, expected = run(tmp_path)
    learner, env = LeastSquares(), Logged(PointMass(), point_expert)
    assert run(tmp_path, learner=learner, env=env)[1] == expected
    assert (learner.fits, env.seeds) == (0, [])


def test_a_rule_is_told_again_of_what_it_has_seen(tmp_path):
    class Forgetful(GymEpisodeEnv):
        episodes = 0

        def run(self, seed, source):
            self.episodes += 1
            if self.episodes == 3:
                raise Killed
            return super().run(seed, source)

    settings = ['schedule=linear', 'rounds=3', 'ask=0.5']
    config = replace(SHORT, rounds=1, episodes=4, evaluate_every=0)
    _, expected = run(tmp_path / 'whole', config, settings=settings)
    with pytest.raises(Killed):
        run(tmp_path / 'cut', config, settings=settings, env=Forgetful(PointMass(), point_expert))
    assert run(tmp_path / 'cut', config, settings=settings)[1] == expected


def test_labels_may_come_later(tmp_path):
    class Night(GymEpisodeEnv):
        """The expert demonstrates by day; at night nobody answers."""

        def run(self, seed, source):
            def dark(context):
                return source(StepContext(observation=context.observation, ask=lambda: None))

            return super().run(seed, dark if seed in SEEDS['corrections'] else source)

    env = Night(PointMass(), point_expert)
    config = replace(SHORT, rounds=1)
    with pytest.raises(IlRosError, match=r"round 1: \d+ steps wait for the expert's labels; to fi"):
        run(tmp_path / 'night', config, env=env)
    with RoundJournal(tmp_path / 'night', {'rule': 'dagger', 'settings': []}) as journal:
        asked = join(journal.episodes(1)).waiting.sum()
        assert label_waiting(journal, 1, lambda seen: np.array([*map(point_expert, seen)])) == asked
        assert not join(journal.episodes(1)).waiting.any()
    _, late = run(tmp_path / 'night', config, env=env)
    assert late.spent.labels == asked == late.steps - PointMass.horizon
    # The learner drove in both, so late labels are those that would have been given at once.
    _, at_once = run(tmp_path / 'day', config)
    assert late.gains == pytest.approx(at_once.gains, rel=1e-3)


def test_another_run_in_the_same_folder_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(IlRosError) as caught:
        run(tmp_path, settings=['ask=0.5'])
    assert str(caught.value) == (
        f'{tmp_path}: the rounds there are of another run: settings is [] there and '
        "['ask=0.5'] here; to fix: choose another folder, or remove this one"
    )


@pytest.mark.parametrize(
    ('name', 'fix'),
    [
        ('coaching.json', 'choose another folder, or remove this one'),
        ('round_000/policy.npz', 'remove it'),
        ('round_001/result.json', 'remove it'),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, fix):
    run(tmp_path)
    (tmp_path / name).write_text('{')
    with pytest.raises(DatasetError, match=rf'{name}: cannot be read: .*; to fix: {fix}'):
        run(tmp_path)


def test_rounds_of_an_older_version_are_refused_with_what_to_do(tmp_path):
    (tmp_path / 'coaching.json').write_text('{"format": 1, "identity": {}}')
    text = (
        r'coaching\.json: not understood: format 1; allowed: format 2 of this package; '
        'to fix: finish with the version that began it, or choose another folder'
    )
    with pytest.raises(DatasetError, match=text):
        run(tmp_path)


def test_two_processes_do_not_write_to_one_folder(tmp_path):
    with (
        RoundJournal(tmp_path, {}),
        pytest.raises(IlRosError, match='another process is writing here'),
        RoundJournal(tmp_path, {}),
    ):
        pass


@pytest.mark.parametrize(
    ('setting', 'text'),
    [
        ({'rounds': -1}, 'dagger.rounds: got -1; allowed: 0 or more'),
        ({'episodes': 0}, 'dagger.episodes: got 0; allowed: 1 or more'),
        ({'train_fraction': 0.0}, 'dagger.train_fraction: got 0.0; allowed: 0 < x <= 1'),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, text):
    with pytest.raises(IlRosError) as caught:
        DaggerLoopConfig(**setting)
    assert str(caught.value) == text


def test_an_episode_that_the_env_ends_at_once_is_none(tmp_path):
    class Nothing(GymEpisodeEnv):
        def run(self, seed, source):
            if seed in SEEDS['corrections']:
                return EpisodeOutcome(ending='cut', gain=0.0)
            return super().run(seed, source)

    with pytest.raises(IlRosError, match='the episode of seed 200001 has no steps'):
        run(tmp_path, env=Nothing(PointMass(), point_expert))


def test_dagger_s_own_defaults_are_those_of_its_configuration():
    assert make_rule('dagger').config == DaggerConfig()


@pytest.mark.parametrize(
    ('rule', 'settings'),
    [
        ('dagger', ['schedule=linear', 'rounds=3', 'ask=0.5']),
        ('safe_dagger', []),
        ('lazy_dagger', []),
        ('ensemble_dagger', []),
        ('thrifty_dagger', []),
        ('hg_dagger', []),
        ('dart', []),
    ],
)
def test_every_rule_goes_on_after_a_crash_as_if_there_had_been_none(
    tmp_path, monkeypatch, rule, settings
):
    monkeypatch.setattr(safe_dagger, '_STEPS', 40)
    monkeypatch.setattr(thrifty_dagger, '_STEPS', 20)

    class Mortal(GymEpisodeEnv):
        """Its process dies at the beginning of the n-th episode."""

        def __init__(self, last):
            operator = SimulatedOperator(point_expert, SimulatedOperatorConfig(least=5))
            super().__init__(PointMass(), point_expert, person=operator, limit='success')
            self._left = last

        def run(self, seed, source):
            self._left -= 1
            if self._left < 0:
                raise Killed
            return super().run(seed, source)

    class Ensemble(LeastSquares):
        """Its networks differ by what they were shifted by; as exact as one."""

        def fit(self, steps, **how):
            return replace(super().fit(steps, **how), shifts=SHIFTS)

        def load(self, arrays):
            return replace(super().load(arrays), shifts=SHIFTS)

    config = replace(SHORT, episodes=3, evaluate_every=0, labels=90)
    how = {'rule': rule, 'settings': settings}
    _, expected = run(tmp_path / 'whole', config, **how, env=Mortal(99), learner=Ensemble())
    for last in (3, 6):  # in the first round and in the second one
        folder = tmp_path / str(last)
        with contextlib.suppress(Killed):
            run(folder, config, **how, env=Mortal(last), learner=Ensemble())
        assert run(folder, config, **how, env=Mortal(99), learner=Ensemble())[1] == expected


def test_more_rounds_go_on_from_those_that_are_there(tmp_path):
    _, whole = run(tmp_path / 'whole', replace(SHORT, rounds=3))
    for rounds in (0, 1, 3):
        learner = LeastSquares()
        _, result = run(tmp_path / 'grown', replace(SHORT, rounds=rounds), learner=learner)
        assert learner.fits == (1, 1, None, 2)[rounds]
    assert result == whole


def test_a_budget_that_is_used_up_ends_the_rounds_and_a_larger_one_goes_on(tmp_path):
    small = replace(SHORT, rounds=5, budget=Budget(labels=30))
    _, first = run(tmp_path, small)
    assert first.spent.labels == 30
    assert 1 <= first.round < 5
    _, more = run(tmp_path, replace(small, budget=Budget(labels=90)))
    assert more.spent.labels == 90
    assert first.round < more.round < 5


def test_a_full_disk_is_named_leaves_nothing_half_done_and_the_run_goes_on(tmp_path, monkeypatch):
    _, expected = run(tmp_path / 'whole')
    files = sorted(
        path.relative_to(tmp_path / 'whole') for path in (tmp_path / 'whole').rglob('*.*')
    )
    sync, left = os.fsync, [0]

    def full(descriptor):
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(atomic_files.os, 'fsync', full)
    for at in range(1, 24, 3):
        folder, left[0] = tmp_path / str(at), at
        with pytest.raises(IlRosError, match=rf'{at}.*: cannot be written: No space left'):
            run(folder)
        assert not [path for path in folder.rglob('*') if path.suffix == '.tmp']
        left[0] = 0
        assert run(folder)[1] == expected
        assert sorted(path.relative_to(folder) for path in folder.rglob('*.*')) == files


def test_each_policy_is_made_ready_before_it_first_acts_and_again_after_a_crash(tmp_path):
    events = []

    class Watched(GymEpisodeEnv):
        last = 99

        def run(self, seed, source):
            if len(events) >= self.last:
                raise Killed
            events.append(next(name for name, seeds in SEEDS.items() if seed in seeds))
            return super().run(seed, source)

    def teach(folder):
        env = Watched(PointMass(), point_expert)
        with RoundJournal(folder, {}) as journal:
            loop = DaggerLoop(
                env, LeastSquares(), make_rule('dagger'), journal,
                replace(SHORT, rounds=1, evaluations=1),
                before_use=lambda round_, actor, steps: events.append((round_, len(steps))),
            )  # fmt: skip
            return loop.run()[1]

    result = teach(tmp_path / 'whole')
    count = PointMass.horizon
    expected = [
        'demonstrations', (0, count), 'nominal', 'corrections', 'corrections',
        (1, result.steps), 'nominal',
    ]  # fmt: skip
    assert events == expected
    events.clear()
    Watched.last = 4  # the second correction is never begun
    with pytest.raises(Killed):
        teach(tmp_path / 'cut')
    events.clear()
    Watched.last = 99
    assert teach(tmp_path / 'cut') == result
    assert events == [(0, count), 'corrections', (1, result.steps), 'nominal']
