import time

import numpy as np
import pytest
import torch

from il_ros.core.errors import BundleError, IlRosError
from il_ros.core.observation_features import Features, Normalizer
from il_ros.policies.mlp import MlpConfig, MlpPolicy, NumpyMlp, network_sizes
from il_ros.policies.torch_networks import Mlp, choose_device


def make(task, device='cpu', seed=0, **changes):
    config = MlpConfig(**{'hidden_dims': (32, 16), 'horizon': 4} | changes)
    size = Features(task.contract, config.exclude_keys).size
    torch.manual_seed(seed)
    sizes = network_sizes(config, size, (config.horizon, 2))
    network = Mlp(sizes, config.activation, config.layer_norm)
    weights = {name: w.numpy() for name, w in network.state_dict().items()}
    inputs = Normalizer(mean=np.zeros(size), scale=np.ones(size), clip=config.clip)
    shape = (config.horizon, 2)
    outputs = Normalizer(mean=np.zeros(shape), scale=np.ones(shape), clip=np.inf)
    policy = MlpPolicy(
        task.contract, config, weights=weights, inputs=inputs, outputs=outputs, device=device
    )
    return policy, network


@pytest.mark.parametrize('activation', ['silu', 'relu'])
@pytest.mark.parametrize('layer_norm', [False, True])
@pytest.mark.parametrize('hidden', [(32, 16), ()])
def test_numpy_and_torch_compute_the_same(task, activation, layer_norm, hidden):
    policy, network = make(task, activation=activation, layer_norm=layer_norm, hidden_dims=hidden)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    weights = {name: w.numpy() for name, w in network.state_dict().items()}
    forward = NumpyMlp(policy.mlp_config, weights)
    for scale in (1.0, 100.0):
        x = scale * np.random.default_rng(0).standard_normal(policy.features.size, np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(forward(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('hidden', [(32, 16), ()])
def test_the_embedding_is_what_the_last_layer_sees_and_depends_on_the_frame_alone(task, hidden):
    policy, network = make(task, hidden_dims=hidden)
    frame = task.frame(3, a=0.2)
    embedding = policy.embedding(frame)
    last = network.layers[-1]
    with torch.no_grad():
        y = last(torch.from_numpy(embedding.astype(np.float32))).numpy().reshape(4, 2)
    policy.reset()
    chunk = policy.act(frame) - np.array([0.2, 0.0])  # joint a is relative to where it is
    np.testing.assert_allclose(y, chunk, rtol=1e-4, atol=1e-4)
    policy.act(task.frame(4))
    np.testing.assert_array_equal(policy.embedding(frame), embedding)
    assert embedding.shape == ((16,) if hidden else (policy.features.size,))
    assert np.isnan(policy.embedding(task.frame(3, object=True))).any()


def test_joints_are_relative_to_where_they_are_but_for_the_absolute_ones(task):
    policy, _ = make(task, absolute=('hand',), exclude_keys=('arm', 'hand'))
    one, other = policy.act(task.frame(0)), policy.act(task.frame(100, a=0.3, b=0.02))
    assert one.shape == (4, 2)
    np.testing.assert_allclose(other - one, np.tile([0.3, 0.0], (4, 1)), atol=1e-12)


def test_an_answer_depends_on_its_frame_alone(task):
    policy, _ = make(task)
    alone = policy.act(task.frame(1, a=0.3))
    policy.act(task.frame(2))
    np.testing.assert_array_equal(policy.act(task.frame(3, a=0.3)), alone)


def test_a_weight_of_blending_is_refused_with_the_place_where_it_is_now(task):
    policy, _ = make(task)
    with pytest.raises(BundleError) as caught:
        MlpPolicy.load(task.contract, policy.config() | {'blend': 0.5}, policy.arrays(), 'cpu')
    assert str(caught.value) == (
        "policy.config.blend: 'blend' is now the parameter chunk_blend of the monitor; "
        'to fix: remove it here, or run il_ros migrate'
    )


def test_an_optional_observation_may_be_missing_a_required_one_not(task):
    policy, _ = make(task)
    assert np.isfinite(policy.act(task.frame(0, goal=True))).all()
    policy.reset()
    assert np.isnan(policy.act(task.frame(0, object=True))).all()


def test_what_is_out_of_range_cannot_explode(task):
    policy, _ = make(task)
    assert np.abs(policy.act(task.frame(0, x=1e12)) - policy.act(task.frame(0, x=1e6))).max() < 1e-6


def test_it_is_made_again_from_config_and_arrays(task):
    policy, _ = make(task, layer_norm=True)
    again = MlpPolicy.load(task.contract, policy.config(), policy.arrays(), 'cpu')
    np.testing.assert_array_equal(again.act(task.frame(0)), policy.act(task.frame(0)))


def test_arrays_that_do_not_belong_together_are_named(task):
    policy, _ = make(task)
    arrays = policy.arrays()
    for name, error in {
        'network.layers.2.bias': r'policy: wrong arrays: layers\.2\.bias None; allowed: ',
        'inputs.mean': r"policy: no array 'inputs\.mean'; to fix: train again",
    }.items():
        without = {key: array for key, array in arrays.items() if key != name}
        with pytest.raises(BundleError, match=error):
            MlpPolicy.load(task.contract, policy.config(), without, 'cpu')
    with pytest.raises(BundleError, match='wrong arrays: more than there should be'):
        MlpPolicy.load(task.contract, policy.config(), arrays | {'network.x': np.zeros(1)}, 'cpu')
    with pytest.raises(
        BundleError, match=r"policy\.config: unknown key 'depth'; allowed: hidden_dims"
    ):
        MlpPolicy.load(task.contract, policy.config() | {'depth': 3}, arrays, 'cpu')


def test_devices(task):
    assert choose_device('cpu').type == 'cpu'
    with pytest.raises(IlRosError, match="device: got 'tpu'; allowed: auto, cpu, cuda"):
        choose_device('tpu')
    if not torch.cuda.is_available():
        assert choose_device('auto').type == 'cpu'
        with pytest.raises(IlRosError, match='device: no CUDA device; allowed: cpu; to fix: use'):
            choose_device('cuda')
    cpu, auto = make(task)[0], make(task, device='auto')[0]
    np.testing.assert_allclose(cpu.act(task.frame(0)), auto.act(task.frame(0)), atol=1e-5)


def test_acting_is_cheap(task):
    """A bound far above the usual 60 microseconds, so that a busy machine passes too."""
    policy, _ = make(task, hidden_dims=(256, 256), horizon=8, layer_norm=True)
    costs = []
    for step in range(300):
        frame = task.frame(step)
        begin = time.perf_counter()
        policy.act(frame)
        costs.append(time.perf_counter() - begin)
    assert np.median(costs) < 1e-3
