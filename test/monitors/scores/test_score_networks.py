"""Networks side by side, in numpy and in torch."""

import numpy as np
import pytest
import torch

from il_ros.monitors.scores.score_networks import Networks, fit_networks


def three(activation='relu', seed=0):
    return Networks.random((4, 6, 5, 2), 3, activation, np.random.default_rng(seed))


def test_one_input_by_hand():
    # Network 0: relu(2 x - 1) * 3 + 1; network 1: relu(-x) * 5. With x = 2: 3 * 3 + 1 and 0.
    networks = Networks(
        [np.array([[[2.0]], [[-1.0]]]), np.array([[[3.0]], [[5.0]]])],
        [np.array([[-1.0], [0.0]]), np.array([[1.0], [0.0]])],
        'relu',
    )
    np.testing.assert_array_equal(networks(np.array([2.0])), [[10.0], [0.0]])
    np.testing.assert_array_equal(networks(np.array([-1.0])), [[1.0], [5.0]])


@pytest.mark.parametrize('activation', ['relu', 'tanh'])
def test_one_frame_and_many_agree_with_torch(activation):
    networks = three(activation)
    X = np.random.default_rng(1).standard_normal((7, 4))
    single = np.stack([networks(x) for x in X], axis=1)
    np.testing.assert_allclose(networks.of_frames(X), single, atol=1e-5)
    seen = []

    def loss(forward, random):
        seen.append(forward(torch.from_numpy(np.float32(X)).expand(3, -1, -1)).detach().numpy())
        return forward(torch.zeros(3, 1, 4)).sum()

    fit_networks(networks, loss, steps=1, seed=0)
    np.testing.assert_allclose(seen[0], single, atol=1e-5)


def line(forward, random):
    x = torch.rand((3, 64, 4), generator=random)
    return (forward(x) - x[..., :2] * 3.0).square().mean()


def test_fitting_learns_and_keeps_what_it_started_from():
    start = Networks.random((4, 16, 16, 2), 3, 'relu', np.random.default_rng(0))
    before = [weight.copy() for weight in start.weights]
    fitted = fit_networks(start, line, steps=1000, seed=0, rate=0.02)
    x = np.array([0.2, 0.7, 0.5, 0.5])
    np.testing.assert_allclose(fitted(x), np.tile([0.6, 2.1], (3, 1)), atol=0.1)
    assert np.abs(start(x) - [0.6, 2.1]).max() > 0.3
    for weight, kept in zip(start.weights, before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_a_seed_repeats_whatever_else_is_drawn_and_the_threads_are_given_back():
    threads = torch.get_num_threads()
    one = fit_networks(three(), line, steps=5, seed=1)
    torch.rand(3)
    same, other = (fit_networks(three(), line, steps=5, seed=seed) for seed in (1, 2))
    for a, b, c in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert torch.get_num_threads() == threads


def test_parts_side_by_side_answer_as_they_do_alone():
    one, other = three(seed=1), three(seed=2)
    x = np.array([0.1, -2.0, 3.0, 0.4])
    both = Networks.side_by_side(one, other)
    np.testing.assert_allclose(both(x), np.concatenate([one(x), other(x)]), rtol=1e-6)


def test_arrays_are_named_by_layer_and_come_back():
    networks = three()
    shapes = Networks.shapes('DABC')
    assert shapes == {
        'weight_0': 'KAD', 'weight_1': 'KBA', 'weight_2': 'KCB',
        'bias_0': 'KA', 'bias_1': 'KB', 'bias_2': 'KC',
    }  # fmt: skip
    again = Networks.of([networks.arrays()[name] for name in shapes], 'relu')
    x = np.array([0.1, -2.0, 3.0, 0.4])
    np.testing.assert_array_equal(again(x), networks(x))


def test_a_nan_goes_through():
    assert np.isnan(three()(np.array([0.0, np.nan, 0.0, 0.0]))).all()


def test_there_are_networks_that_take_nothing():
    nothing = Networks([np.zeros((1, 0, 0))], [np.zeros((1, 0))], 'relu')
    assert nothing(np.zeros(0)).shape == (1, 0)
