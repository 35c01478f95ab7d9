"""What the training loop is told, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from il_ros.core.config import require_ranges


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """How a network is optimised, whatever it learns.

    Attributes:
        epochs: Passes over the training frames, at most.
        batch_size: Frames in a batch.
        learning_rate: Peak learning rate of AdamW (Loshchilov & Hutter 2019).
        weight_decay: Its decoupled weight decay.
        warmup: Share of all steps in which the rate rises to the peak; it then falls to zero on
            half a cosine (Loshchilov & Hutter 2017).
        val_fraction: Fraction of the episodes held out for early stopping and calibration.
        patience: Epochs without a better held-out loss after which training stops.
        max_grad_norm: Largest norm of a gradient.
        ema_decay: Decay per step of the exponential moving average of the weights. The policy is
            this average (Polyak & Juditsky 1992), which rolls out better than the weights do.
        seed: Seed of the split, the weights, the batches and the noise. On the CPU one seed
            gives one policy, bit for bit.
        threads: Threads of torch; small networks gain nothing from more.
        device: Where to train; `auto` takes cuda where there is one.
    """

    renamed: ClassVar[dict[str, str]] = {
        'batch': 'batch_size',
        'held_out': 'val_fraction',
        'gradient_norm': 'max_grad_norm',
        'average': 'ema_decay',
    }

    epochs: int = 200
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.05
    val_fraction: float = 0.15
    patience: int = 40
    max_grad_norm: float = 1.0
    ema_decay: float = 0.99
    seed: int = 0
    threads: int = 1
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'

    def check(self) -> None:
        """Refuse settings that make no sense.

        Raises:
            IlRosError: It names the setting.
        """
        positive = ('epochs', 'batch_size', 'learning_rate', 'patience', 'threads')
        fractions = ('warmup', 'val_fraction', 'ema_decay')
        ranges = dict.fromkeys(positive, 'more than 0') | dict.fromkeys(fractions, '0 <= x < 1')
        ranges |= {'weight_decay': '0 or more', 'seed': f'0 <= x < {2**63}'}
        require_ranges(self, 'config', ranges, finite=True)
        require_ranges(self, 'config', {'max_grad_norm': 'more than 0'})  # infinity: not clipped


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """Where training stands after an epoch.

    Attributes:
        epoch: Epochs done.
        epochs: Epochs at most.
        training_loss: Mean loss of the epoch's batches (dimensionless).
        validation_loss: Loss on held-out episodes; NaN where none is held out.
        best_loss: Lowest loss so far, on held-out episodes where there are any.
        learning_rate: Rate of the last step.
        samples_per_s: Frames trained on per second.
    """

    epoch: int
    epochs: int
    training_loss: float
    validation_loss: float
    best_loss: float
    learning_rate: float
    samples_per_s: float
