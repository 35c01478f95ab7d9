import numpy as np
import pytest
from coaching import some_steps

from il_ros.algorithms.transitions import EXPERT, POLICY
from il_ros.core.errors import IlRosError
from il_ros.interactive.budget import Budget, Spent


def test_what_was_spent_is_counted_from_the_record():
    P, E = POLICY, EXPERT
    source = np.array([P, E, E, P, E, P], np.uint8)
    asked = np.array([1, 1, 1, 0, 1, 0], bool)
    one = some_steps(6, source=source, asked=asked)
    # two episodes of 4 labels and 2 takeovers; 8 steps of 30 s in which the expert was busy
    assert Spent.of([one, one], 30.0) == Spent(labels=8, takeovers=4, minutes=4.0)


def test_demonstrations_do_not_count():
    shown = some_steps(3, source=np.full(3, EXPERT, np.uint8), asked=np.ones(3, bool))
    shown.round[:] = 0
    assert Spent.of([shown], 1.0) == Spent()


@pytest.mark.parametrize('name', ['labels', 'takeovers', 'minutes'])
def test_each_limit_holds_on_its_own(name):
    budget = Budget(**{name: 5})
    assert not budget.used_up(Spent(**{name: 4}))
    assert budget.used_up(Spent(**{name: 5}))
    with pytest.raises(IlRosError) as caught:
        Budget(**{name: -1})
    assert str(caught.value) == f'budget.{name}: got -1; allowed: 0 or more'
