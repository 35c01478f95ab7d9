"""A multilayer perceptron from one frame to one action chunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.config import parse
from il_ros.core.contract import Contract
from il_ros.core.errors import BundleError
from il_ros.core.frames import Frame
from il_ros.core.limits import Array
from il_ros.core.observation_features import Features, Normalizer
from il_ros.policies.policy import Arrays, Policy

Floats = NDArray[np.float32]

_DEEPEST = 100


@dataclass(frozen=True, kw_only=True)
class MlpConfig:
    """Shape of the network and of what it predicts.

    Attributes:
        hidden_dims: Widths of the hidden layers.
        activation: What lies between the layers.
        layer_norm: Whether hidden layers are normalised (Ba et al. 2016).
        horizon: Steps of a chunk, H.
        clip: Inputs are kept within this many standard deviations of the training frames.
        absolute: How the keys end of those of the contract's `action.position` whose joints are
            predicted as they are; all others as the change from where they are measured, which
            makes a lag of the arm part of the command, as it was in the demonstration.
        exclude_keys: Keys of observations that the network does not see; None for those of speeds
            and forces (`motion_keys`).

    Raises:
        ValueError: If there are more than 100 hidden layers.
    """

    renamed: ClassVar[dict[str, str]] = {'hidden': 'hidden_dims', 'leave_out': 'exclude_keys'}
    moved: ClassVar[dict[str, str]] = {'blend': 'the parameter chunk_blend of the monitor'}

    hidden_dims: tuple[int, ...] = (256, 256)
    activation: Literal['silu', 'relu'] = 'silu'
    layer_norm: bool = True
    horizon: int = 8
    clip: float = 5.0
    absolute: tuple[str, ...] = ('gripper_position',)
    exclude_keys: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.hidden_dims) > _DEEPEST:
            raise ValueError(f'{len(self.hidden_dims)} hidden layers, at most {_DEEPEST}')


class MlpPolicy(Policy):
    """Runs the exported weights in numpy on the CPU, in torch on CUDA.

    An observation that the contract does not require enters as its training mean where it is
    invalid; an invalid required one makes the whole chunk NaN, which the monitor refuses.

    Args:
        contract: The contract it was trained under.
        config: Its shape.
        weights: `layers.<i>.weight`, `layers.<i>.bias`, and the same of `norms`.
        inputs: Normaliser of the features, shape (D,).
        outputs: Normaliser of the chunks, shape (H, N).
        device: `cpu`, `cuda`, or `auto` for cuda where there is one.
    """

    kind = 'mlp'

    def __init__(
        self,
        contract: Contract,
        config: MlpConfig,
        *,
        weights: Mapping[str, Floats],
        inputs: Normalizer,
        outputs: Normalizer,
        device: str = 'cpu',
    ) -> None:
        self.contract = contract
        self.mlp_config = config
        self.inputs, self.outputs = inputs, outputs
        self.features = Features(contract, config.exclude_keys)
        self._weights = dict(weights)
        self._relative = relative_joints(contract, config)
        self._some_relative = bool(self._relative.any())
        self._shape = (config.horizon, len(contract.action.names))
        self._check()
        self._network = NumpyMlp(config, weights)
        self._forward: Callable[[Floats], Floats] = (
            self._network if device == 'cpu' else _torch_forward(self, weights, device)
        )

    def act(self, frame: Frame) -> Array:
        """See `Policy.act`."""
        x = network_input(self.features, self.inputs, self.features.of_frame(frame))
        chunk = self.outputs.restore(self._forward(x).reshape(self._shape))
        if self._some_relative:
            chunk += self._relative * frame.vector(self.contract.action.position)
        return chunk

    def input_of(self, raw: NDArray[np.floating]) -> Floats:
        """What the network sees, shape (..., D), of observations of `features.keys` (..., R)."""
        return network_input(self.features, self.inputs, self.features.of_raw(raw))

    def answers(self, x: Floats) -> Array:
        """What the network says of inputs (B, D) by itself, shape (B, H, N) [rad or m].

        A joint that is predicted as a change is one: see `MlpConfig`.
        """
        rows = [self._network(row).reshape(self._shape) for row in x]
        return self.outputs.restore(np.array(rows).reshape(-1, *self._shape))

    def embedding(self, frame: Frame) -> Array:
        """See `Policy.embedding`; always computed on the CPU."""
        x = network_input(self.features, self.inputs, self.features.of_frame(frame))
        return self._network.hidden(x).astype(np.float64)

    def action_std(self) -> Array:
        """See `Policy.action_std`; 1 for a joint that hardly ever moved."""
        return np.asarray(self.outputs.scale[0])

    def config(self) -> dict[str, Any]:
        """See `Policy.config`."""
        return asdict(self.mlp_config)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """See `Policy.arrays`."""
        network = {f'network.{name}': array for name, array in self._weights.items()}
        return {**network, **self.inputs.arrays('inputs'), **self.outputs.arrays('outputs')}

    @classmethod
    def load(
        cls, contract: Contract, config: Mapping[str, Any], arrays: Arrays, device: str
    ) -> MlpPolicy:
        """See `Policy.load`."""
        parsed = parse(MlpConfig, config, where='policy.config', error=BundleError)
        weights = {
            name.removeprefix('network.'): np.asarray(array, dtype=np.float32)
            for name, array in arrays.items()
            if name.startswith('network.')
        }
        if broken := [name for name, array in weights.items() if not np.isfinite(array).all()]:
            raise BundleError(
                f'weights that are not finite: {", ".join(broken)}',
                where='policy',
                fix='train again',
            )
        inputs, outputs = (
            Normalizer.from_arrays(name, arrays, where='policy', error=BundleError)
            for name in ('inputs', 'outputs')
        )
        return cls(contract, parsed, weights=weights, inputs=inputs, outputs=outputs, device=device)

    def _check(self) -> None:
        expected = network_shapes(self.mlp_config, self.features.size, self._shape)
        found = {name: array.shape for name, array in self._weights.items()}
        found |= {'inputs': self.inputs.mean.shape, 'outputs': self.outputs.mean.shape}
        if found != expected:
            wrong = [f'{n} {found.get(n)}' for n in expected if found.get(n) != expected[n]]
            raise BundleError(
                f'wrong arrays: {", ".join(wrong) or "more than there should be"}',
                where='policy',
                allowed=', '.join(f'{name} {shape}' for name, shape in expected.items()),
                fix='train again under this contract',
            )


class NumpyMlp:
    """The forward pass of `networks.Mlp` for one input: several times cheaper than torch's."""

    def __init__(self, config: MlpConfig, weights: Mapping[str, Floats]) -> None:
        count = len(config.hidden_dims) + 1
        self._matrices = [
            np.ascontiguousarray(weights[f'layers.{i}.weight'].T) for i in range(count)
        ]
        self._biases = [weights[f'layers.{i}.bias'] for i in range(count)]
        self._norms = [
            (weights[f'norms.{i}.weight'], weights[f'norms.{i}.bias'])
            for i in range(count - 1)
            if config.layer_norm
        ]
        self._activation = _silu if config.activation == 'silu' else _relu

    def __call__(self, x: Floats) -> Floats:
        """Outputs, shape (O,), of inputs, shape (D,)."""
        y: Floats = self.hidden(x) @ self._matrices[-1]
        y += self._biases[-1]
        return y

    def hidden(self, x: Floats) -> Floats:
        """What the last hidden layer gives, shape (E,); the inputs where there is no such layer."""
        for i, (matrix, bias) in enumerate(zip(self._matrices[:-1], self._biases, strict=False)):
            x = x @ matrix
            x += bias
            x = self._activation(_layer_norm(x, *self._norms[i]) if self._norms else x)
        return x


def network_input(features: Features, normalizer: Normalizer, raw: Array) -> Floats:
    """What the network sees of features of shape (..., D)."""
    x = normalizer.normalize(raw)
    if features.some_optional:
        x = np.where(features.optional & np.isnan(x), 0.0, x)
    return x.astype(np.float32)


def relative_joints(contract: Contract, config: MlpConfig) -> Array:
    """1 for each commanded joint that is predicted as a change, 0 for the others, shape (N,)."""
    if contract.action.space == 'normalised':
        return np.zeros(len(contract.action.names))
    predicted_as_change = np.concatenate(
        [
            np.full(contract.observations[key].size, not key.endswith(config.absolute))
            for key in contract.action.position
        ]
    )
    # The positions of a joint that turns without end may be any number of turns away.
    return np.asarray(predicted_as_change | contract.endless, dtype=np.float64)


def network_sizes(config: MlpConfig, inputs: int, shape: tuple[int, int]) -> list[int]:
    """Widths of the layers, from D inputs to H × N outputs."""
    return [inputs, *config.hidden_dims, shape[0] * shape[1]]


def network_shapes(
    config: MlpConfig, inputs: int, shape: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    """Shape of every array of a policy, by name."""
    sizes = network_sizes(config, inputs, shape)
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (a, b) in enumerate(pairwise(sizes)):
        shapes |= {f'layers.{i}.weight': (b, a), f'layers.{i}.bias': (b,)}
    for i, n in enumerate(config.hidden_dims if config.layer_norm else ()):
        shapes |= {f'norms.{i}.weight': (n,), f'norms.{i}.bias': (n,)}
    return {**shapes, 'inputs': (inputs,), 'outputs': shape}


def _torch_forward(
    policy: MlpPolicy, weights: Mapping[str, Floats], device: str
) -> Callable[[Floats], Floats]:
    import torch

    from il_ros.policies.torch_networks import Mlp, choose_device

    config, chosen = policy.mlp_config, choose_device(device)
    if chosen.type == 'cpu':
        return NumpyMlp(config, weights)
    shape = (config.horizon, len(policy.contract.action.names))
    sizes = network_sizes(config, policy.features.size, shape)
    network = Mlp(sizes, config.activation, config.layer_norm)
    network.load_state_dict({name: torch.from_numpy(w.copy()) for name, w in weights.items()})
    network.to(chosen).eval()

    def forward(x: Floats) -> Floats:
        with torch.inference_mode():
            y: Floats = network(torch.from_numpy(x).to(chosen)).cpu().numpy()
        return y

    return forward


def _silu(x: Floats) -> Floats:
    # Beyond 88 exp overflows in float32; the sigmoid has long been zero there.
    return np.asarray(x / (1.0 + np.exp(np.minimum(-x, np.float32(80.0)))), dtype=np.float32)


def _relu(x: Floats) -> Floats:
    return np.maximum(x, np.float32(0.0))


def _mean(x: Floats) -> np.float32:
    """What `x.mean()` gives, in a third of its time."""
    return np.float32(np.add.reduce(x) / len(x))


def _layer_norm(x: Floats, weight: Floats, bias: Floats) -> Floats:
    centred = x - _mean(x)
    variance = _mean(centred * centred)
    return np.asarray(centred / np.sqrt(variance + 1e-5) * weight + bias, dtype=np.float32)
