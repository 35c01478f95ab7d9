from dataclasses import replace

import numpy as np
import pytest
import torch

from il_ros.algorithms.flat_bc import FlatBcConfig, FlatData, train_flat
from il_ros.core.errors import IlRosError
from il_ros.policies.flat import FlatPolicy
from il_ros.policies.torch_networks import SideBySide

SMALL = FlatBcConfig(
    hidden_dims=(16,), batch_size=100, epochs=150, learning_rate=1e-2, device='cpu'
)


def data(count=400, *, weight=None, **others):
    x = np.random.default_rng(0).uniform(-1, 1, (count, 3))
    y = np.stack([x[:, 0] - x[:, 1], x[:, 2] ** 2], axis=1)
    weight = np.ones(count) if weight is None else weight
    bounds = {'low': np.full(2, -3.0), 'high': np.full(2, 3.0)}
    return FlatData(**{'x': x, 'y': y, 'weight': weight, **bounds, **others})


def error(policy, samples):
    return float(np.abs(policy.decide(policy.members(samples.x)) - samples.y).mean())


@pytest.mark.parametrize('members', [1, 3])
@pytest.mark.parametrize('activation', ['tanh', 'relu'])
def test_it_learns_what_it_is_shown(members, activation):
    policy = train_flat(data(), replace(SMALL, members=members, activation=activation))
    assert error(policy, data()) < 0.05
    one, many = policy.members(data().x[0]), policy.members(data().x)
    assert (one.shape, many.shape) == ((members, 2), (members, 400, 2))
    np.testing.assert_allclose(one, many[:, 0], atol=1e-5)
    np.testing.assert_allclose(policy.act(data().x[0]), one.mean(axis=0))


def test_one_seed_gives_one_policy():
    ids = [train_flat(data(), replace(SMALL, epochs=2, seed=s)).policy_id for s in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]


def test_members_differ_where_nothing_was_shown():
    policy = train_flat(data(), replace(SMALL, members=5))
    known, unknown = policy.members(np.zeros(3)), policy.members(np.full(3, 4.0))
    assert unknown.var(axis=0).mean() > 20 * known.var(axis=0).mean()


def test_steps_without_weight_are_not_learned_from():
    wrong = data()
    wrong.y[200:] = 9.0
    half = np.repeat([1.0, 0.0], 200)
    policy = train_flat(replace(wrong, weight=half, high=np.full(2, 99.0)), SMALL)
    assert error(policy, data()) < 0.15


def test_what_weighs_more_is_seen_more_often():
    # One input, two answers: the mean by weight is 0.75 * 1 + 0.25 * -1 = 0.5.
    both = FlatData(
        x=np.zeros((400, 1)), y=np.tile([[1.0], [-1.0]], (200, 1)),
        weight=np.tile([3.0, 1.0], 200), low=np.array([-2.0]), high=np.array([2.0]),
    )  # fmt: skip
    policy = train_flat(both, SMALL)
    assert policy.act(np.zeros(1))[0] == pytest.approx(0.5, abs=0.1)


def test_beyond_a_bound_any_answer_is_as_good():
    x = np.linspace(-2, 2, 400)[:, None]
    bounds = {'low': np.array([-1.0]), 'high': np.array([1.0])}
    clipped = FlatData(x=x, y=np.clip(3 * x, -1, 1), weight=np.ones(400), **bounds)
    linear = replace(SMALL, hidden_dims=(), epochs=200, learning_rate=3e-2)
    policy = train_flat(clipped, linear)
    # A straight line can say it without error, because it may go on beyond the bounds.
    assert error(policy, clipped) < 0.05
    free = replace(clipped, low=np.array([-9.0]), high=np.array([9.0]))
    assert error(train_flat(free, linear), clipped) > 0.1
    assert policy.act(np.array([2.0])) == 1.0


def test_a_warm_start_begins_at_the_policy_that_there_was():
    first = train_flat(data(), replace(SMALL, members=2))
    wider = data()
    wider.x[:] = 2 * wider.x + 1  # other normalisers
    wider.y[:] = 3 * wider.y - 1
    still = replace(SMALL, members=2, epochs=1, learning_rate=1e-12)
    moved = train_flat(wider, still, start=first)
    assert not np.allclose(moved.inputs.mean, first.inputs.mean)
    np.testing.assert_allclose(moved.members(data().x), first.members(data().x), atol=1e-5)


def test_networks_of_another_shape_are_no_start():
    first = train_flat(data(), replace(SMALL, epochs=1))
    with pytest.raises(IlRosError, match=r'warm start: networks of shapes .*; to fix: start from'):
        train_flat(data(), replace(SMALL, epochs=1, members=2), start=first)


def test_without_a_label_there_is_nothing_to_learn():
    with pytest.raises(IlRosError) as caught:
        train_flat(data(weight=np.zeros(400)), SMALL)
    assert str(caught.value) == ('training: no step has a label; to fix: ask the expert more often')


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'members': 0}, 'config.members: got 0; allowed: more than 0'),
        ({'val_fraction': 0.1}, 'config.val_fraction: got 0.1; allowed: 0'),
        ({'hidden_dims': (8, 0)}, 'config.hidden_dims: got (8, 0); allowed: widths of more than 0'),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, text):
    with pytest.raises(IlRosError) as caught:
        train_flat(data(), replace(SMALL, **changes))
    assert str(caught.value) == text


def test_a_policy_is_the_same_after_its_arrays():
    policy = train_flat(data(), replace(SMALL, epochs=1, members=2))
    again = FlatPolicy.from_arrays(policy.arrays(), 'tanh')
    assert again.policy_id == policy.policy_id
    np.testing.assert_array_equal(again.act(np.ones(3)), policy.act(np.ones(3)))


def test_one_network_alone_goes_the_same_way_as_several():
    torch.manual_seed(0)
    both, alone = SideBySide([3, 8, 2], 2, 'tanh'), SideBySide([3, 8, 2], 1, 'tanh')
    with torch.no_grad():
        for one, two in zip(alone.parameters(), both.parameters(), strict=True):
            one.copy_(two[1:])
    x = torch.randn(5, 3)
    torch.testing.assert_close(alone(x)[0], both(x)[1])
