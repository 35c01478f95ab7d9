import pytest
from coaching import a_step

from il_ros.algorithms.query_rules import ensemble_variance, make_rule
from il_ros.core.errors import IlRosError

SURE = [[0.1, 0.0], [-0.1, 0.0]]  # variances 0.01 and 0: ensemble variance 0.005
UNSURE = [[0.4, 0.0], [-0.4, 0.0]]  # 0.16 and 0: ensemble variance 0.08


def decide(members, answer, **settings):
    rule = make_rule('ensemble_dagger', [f'{k}={v}' for k, v in settings.items()])
    step = a_step(action=(0.0, 0.0), members=members, answer=answer)
    return rule.decide(step), step.ask.count


def test_the_ensemble_variance_is_the_mean_variance_of_the_members():
    step = a_step(action=(0.0, 0.0), members=SURE)
    assert ensemble_variance(step.members) == pytest.approx(0.005)
    assert ensemble_variance(a_step(action=(0.0, 0.0), members=UNSURE).members) == pytest.approx(
        0.08
    )


def test_one_network_alone_is_refused_because_it_has_no_variance():
    with pytest.raises(IlRosError, match='one network alone has no variance; allowed: 2 or more'):
        decide([[0.0, 0.0]], (0.0, 0.0))


@pytest.mark.parametrize(
    ('members', 'answer', 'driver', 'asked'),
    [
        (SURE, (0.2, 0.0), 'policy', 1),  # discrepancy 0.02 <= 0.05
        (SURE, (0.4, 0.0), 'expert', 1),  # 0.08 > 0.05
        (UNSURE, (0.0, 0.0), 'expert', 0),  # right by chance; the rule need not know
        (SURE, None, 'expert', 1),  # the expert has not answered: it is not known to be right
    ],
)
def test_the_learner_drives_where_it_is_sure_and_right(members, answer, driver, asked):
    decision, count = decide(members, answer)
    assert (decision.driver, decision.ask, count) == (driver, True, asked)


def test_by_variance_alone_a_sure_learner_costs_no_label():
    decision, count = decide(SURE, (9.0, 9.0), discrepancy='.inf')
    assert (decision.driver, decision.ask, count) == ('policy', False, 0)
    assert decide(UNSURE, (0.0, 0.0), discrepancy='.inf')[0].driver == 'expert'


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(IlRosError) as caught:
        make_rule('ensemble_dagger', ['ensemble_variance=-1'])
    assert str(caught.value) == 'ensemble_dagger.ensemble_variance: got -1.0; allowed: 0 or more'
