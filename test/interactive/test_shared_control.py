import numpy as np
import pytest
from coaching import Asked, Linear
from hypothesis import given, settings
from hypothesis import strategies as st

from il_ros.algorithms.query_rules import DemonstrationRule, QueryDecision, QueryRule
from il_ros.algorithms.transitions import ENDINGS, EXPERT, POLICY
from il_ros.core.errors import IlRosError
from il_ros.interactive.budget import Budget, Spent
from il_ros.interactive.episode_env import StepContext
from il_ros.interactive.shared_control import SharedControl, leading

MATRIX = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # the learner repeats what it sees


class Script(QueryRule):
    """Decides as it was told; keeps the steps that it saw."""

    def __init__(self, *decisions):
        self.decisions, self.seen = iter(decisions), []

    def decide(self, step):
        self.seen.append(step)
        return next(self.decisions)


def decided(driver='policy', ask=False, **others):
    return QueryDecision(driver=driver, ask=ask, **others)


def supervised(*decisions, budget=None, spent=None, shifts=(0.0,)):
    actor = Linear(MATRIX, shifts)
    actor.action_std = np.array([2.0, 4.0])
    rule = Script(*decisions)
    shared = SharedControl(
        rule, actor, low=np.full(2, -1.0), high=np.full(2, 1.0), spent=spent or Spent(),
        budget=budget or Budget(), period=6.0,
    )  # fmt: skip
    return shared, rule


def context(answer=(0.5, -0.5), **others):
    return StepContext(observation=np.array([0.2, 0.4]), ask=Asked(answer), **others)


@pytest.mark.parametrize(
    ('answer', 'text'),
    [
        (None, 'policy at step 0: nobody has an action'),
        ((0.5, np.nan), r'expert at step 0: \[0.5 nan\] is no action'),
    ],
)
def test_what_is_no_number_is_not_executed(answer, text):
    shared = SharedControl(
        Script(decided('expert', True)), None, low=np.full(2, -1.0), high=np.full(2, 1.0),
        spent=Spent(), budget=Budget(), period=6.0,
    )  # fmt: skip
    with pytest.raises(IlRosError, match=text):
        shared(context(answer))
    assert shared.count == 0


def ended(shared, ending='cut', lead=2):
    return shared.steps(ending, round_=3, episode=7, lead=lead)


def test_a_rule_sees_actions_in_units_of_the_expert_s_spread():
    shared, rule = supervised(decided(), shifts=(-0.2, 0.2))
    shared(context(scores={'monitor': 0.5}, human=True))
    step = rule.seen[0]
    np.testing.assert_allclose(step.action, [0.1, 0.1])
    np.testing.assert_allclose(step.members, [[0.0, 0.05], [0.2, 0.15]])
    np.testing.assert_allclose(step.ask(), [0.25, -0.125])
    assert (step.tick, step.scores, step.human) == (0, {'monitor': 0.5}, True)


def test_every_step_is_recorded():
    shared, _ = supervised(
        decided(), decided(ask=True), decided('expert', True, scores={'risk': 0.25})
    )
    done = [shared(context()), shared(context()), shared(context(scores={'monitor': 2.0}))]
    np.testing.assert_allclose(done, [[0.2, 0.4], [0.2, 0.4], [0.5, -0.5]])
    steps = ended(shared, 'failure')
    np.testing.assert_allclose(steps.executed, done)
    np.testing.assert_allclose(steps.policy, [[0.2, 0.4]] * 3)
    np.testing.assert_allclose(steps.expert, [[np.nan] * 2, [0.5, -0.5], [0.5, -0.5]])
    np.testing.assert_allclose(steps.observation, [[0.2, 0.4]] * 3)
    assert steps.source.tolist() == [POLICY, POLICY, EXPERT]
    assert steps.asked.tolist() == [False, True, True]
    assert steps.before_takeover.tolist() == [True, True, False]
    assert [ENDINGS[code] for code in steps.ending] == ['running', 'running', 'failure']
    assert (set(steps.round), set(steps.episode)) == ({3}, {7})
    assert set(steps.policy_id) == {Linear(MATRIX).policy_id}
    np.testing.assert_equal(steps.scores['risk'], np.float32([np.nan, np.nan, 0.25]))
    np.testing.assert_equal(steps.scores['monitor'], np.float32([np.nan, np.nan, 2.0]))


def test_a_question_costs_one_label_however_often_it_is_asked():
    class Curious(QueryRule):
        def decide(self, step):
            step.ask(), step.ask()
            return decided('expert', True)

    shared, _ = supervised()
    shared._rule = Curious()
    seen = context()
    shared(seen)
    assert (seen.ask.count, shared.spent.labels) == (1, 1)
    assert shared.spent.minutes == pytest.approx(0.1)


def test_an_answer_that_the_rule_asked_for_is_a_label_whatever_it_decides_then():
    class Curious(QueryRule):
        def decide(self, step):
            step.ask()
            return decided('policy', False)

    shared, _ = supervised()
    shared._rule = Curious()
    shared(context())
    assert ended(shared).labelled.tolist() == [True]
    assert shared.spent.labels == 1


def test_who_is_not_asked_does_not_answer():
    shared, _ = supervised(decided())
    seen = context()
    shared(seen)
    assert seen.ask.count == shared.spent.labels == 0


def test_without_an_answer_the_learner_drives_and_the_label_is_still_to_come():
    shared, _ = supervised(decided('expert', True))
    np.testing.assert_allclose(shared(context(answer=None)), [0.2, 0.4])
    steps = ended(shared)
    assert (steps.source.tolist(), steps.waiting.tolist()) == ([POLICY], [True])


def test_noise_is_on_what_is_executed_and_not_on_the_label_and_stays_in_bounds():
    shared, _ = supervised(decided('expert', True, noise=np.array([0.1, -2.0])))
    np.testing.assert_allclose(shared(context()), [0.7, -1.0])
    np.testing.assert_allclose(ended(shared).expert, [[0.5, -0.5]])


@pytest.mark.parametrize(
    ('budget', 'done'),
    [(Budget(labels=3), 1), (Budget(takeovers=2), 2), (Budget(minutes=0.55), 3)],
)
def test_the_episode_ends_when_the_budget_is_used_up(budget, done):
    ask, drive = decided(ask=True), decided('expert', True)
    shared, _ = supervised(
        ask, drive, drive, drive, budget=budget, spent=Spent(labels=2, takeovers=1, minutes=0.25)
    )
    answers = [shared(context()) for _ in range(done + 1)]
    assert [answer is None for answer in answers] == [False] * done + [True]
    assert len(ended(shared)) == done


def test_demonstrations_need_no_learner_and_no_budget():
    shared = SharedControl(
        DemonstrationRule(), None, low=np.full(2, -1.0), high=np.full(2, 1.0), spent=Spent(),
        budget=Budget(labels=0), period=1.0,
    )  # fmt: skip
    np.testing.assert_allclose(shared(context()), [0.5, -0.5])
    steps = shared.steps('success', round_=0, episode=0, lead=15)
    assert (steps.source.tolist(), set(steps.policy_id)) == ([EXPERT], {''})
    assert np.isnan(steps.policy).all()


def test_the_spent_of_the_record_is_what_the_supervisor_counted():
    shared, _ = supervised(
        decided('expert', True), decided(), decided(ask=True), decided('expert', True)
    )
    for _ in range(4):
        shared(context())
    assert (
        Spent.of([ended(shared)], 6.0) == shared.spent == Spent(labels=3, takeovers=1, minutes=0.3)
    )


def test_steps_before_an_event_are_marked():
    events = np.array([0, 0, 0, 1, 0, 0, 1, 0], bool)
    assert leading(events, 2).tolist() == [False, True, True, False, True, True, False, False]


decisions = st.builds(
    decided,
    st.sampled_from(['policy', 'expert']),
    st.booleans(),
    noise=st.none() | st.lists(st.floats(-3, 3), min_size=2, max_size=2).map(np.array),
    scores=st.dictionaries(st.sampled_from(['risk', 'doubt']), st.floats(0, 2)),
)
contexts = st.tuples(st.none() | st.just((0.5, -5.0)), st.booleans())
budgets = st.builds(
    Budget,
    labels=st.integers(1, 9) | st.just(np.inf),
    takeovers=st.integers(1, 4) | st.just(np.inf),
    minutes=st.floats(0.05, 1.0) | st.just(np.inf),
)


@settings(max_examples=80)
@given(st.lists(st.tuples(decisions, contexts), min_size=1, max_size=15), budgets)
def test_whatever_a_rule_decides_the_record_and_the_count_agree(steps_, budget):
    shared, _ = supervised(*[decision for decision, _ in steps_], budget=budget)
    done, seen = [], []
    for _, (answer, human) in steps_:
        action = shared(now := context(answer=answer, human=human))
        if action is None:
            assert budget.used_up(shared.spent)
            break
        done.append(action)
        seen.append((now, human, shared.driver))
    record = ended(shared, 'success')
    np.testing.assert_allclose(record.executed, done, rtol=1e-6)
    assert (np.abs(done) <= 1.0).all()
    assert shared.count == len(record) == len(done)
    # As much was spent as the record says, and at most one step above the budget never.
    spent = Spent.of([record], 6.0)
    assert (spent.labels, spent.takeovers) == (shared.spent.labels, shared.spent.takeovers)
    assert spent.minutes == pytest.approx(shared.spent.minutes)
    assert spent.labels <= budget.labels
    assert spent.takeovers <= budget.takeovers
    assert spent.minutes <= budget.minutes + 0.1 + 1e-9  # one step of 6 s
    for i, (now, human, driver) in enumerate(seen):
        asked = bool(record.asked[i])
        assert now.ask.count == asked
        assert record.labelled[i] == (asked and now.ask.answer is not None)
        assert (driver == 'expert') == (record.source[i] == EXPERT)
        if driver == 'expert':
            assert record.labelled[i]
        if human and now.ask.answer is not None:  # who holds the switch drives, without noise
            assert driver == 'expert'
            np.testing.assert_allclose(done[i], [0.5, -1.0])
    marked = [any(record.takeovers[i + 1 : i + 3]) for i in range(len(record))]
    assert record.before_takeover.tolist() == marked
