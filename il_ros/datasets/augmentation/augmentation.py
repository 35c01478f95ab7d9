"""All augmentations together: their settings, the files these come from, and their order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from il_ros.core.config import parse, read_yaml
from il_ros.core.contract import Contract
from il_ros.core.errors import DatasetError
from il_ros.datasets.augmentation.augmentation_step import Samples, Step, require_fit
from il_ros.datasets.augmentation.image_steps import Blur, Colour, Crop, Cutout
from il_ros.datasets.augmentation.mirror import MirrorSamples
from il_ros.datasets.augmentation.observation_noise import AddNoise, Noise
from il_ros.datasets.augmentation.state_perturbation import PerturbState, StatePerturbation
from il_ros.datasets.augmentation.symmetry import Mirror


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is done to training samples, in this order; None leaves a step out.

    Whole situations come first (mirrored, then disturbed), then how sensors see them (noise),
    then what only images have, from geometry to what hides all the rest.

    Attributes:
        mirror: Mirroring of observations, actions and images.
        perturbation: States off the path, with actions that lead back.
        noise: Sensor noise.
        crop: Shifted and zoomed images.
        colour: Other colours.
        blur: Blurred images.
        cutout: Hidden squares.
    """

    mirror: Mirror | None = None
    perturbation: StatePerturbation | None = None
    noise: Noise | None = None
    crop: Crop | None = None
    colour: Colour | None = None
    blur: Blur | None = None
    cutout: Cutout | None = None

    @property
    def active(self) -> bool:
        """Whether anything is done at all."""
        return any(step is not None for step in vars(self).values())

    @property
    def settings(self) -> dict[str, Any]:
        """The steps that are done, with all their settings, as plain JSON."""
        plain = json.loads(json.dumps(asdict(self)))
        return {name: step for name, step in plain.items() if step is not None}

    @property
    def hash(self) -> str:
        """SHA-256 of the settings (hex)."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()


NO_AUGMENTATION = Augmentation()


def load_augmentation(*paths: Path) -> Augmentation:
    """What the given YAML files say together; each step in one of them at the most.

    Raises:
        DatasetError: If a file cannot be read, has an unknown key, or says again what another has
            said.
    """
    steps: dict[str, Any] = {}
    source: dict[str, Path] = {}
    for path in paths:
        data = read_yaml(path, DatasetError)
        found = parse(Augmentation, data, where=path.name, error=DatasetError)
        for name, step in vars(found).items():
            if step is None:
                continue
            if name in source:
                raise DatasetError(
                    f'{source[name].name} has it too',
                    where=f'{path.name}.{name}',
                    fix='leave one of the two files out',
                )
            steps[name], source[name] = step, path
    return Augmentation(**steps)


def describe(augmentation: Augmentation) -> Mapping[str, Any] | None:
    """What a bundle keeps of it: settings and their hash; None where nothing is done."""
    if not augmentation.active:
        return None
    return {'sha256': augmentation.hash, 'settings': augmentation.settings}


def make_augmentation(contract: Contract, augmentation: Augmentation) -> Step:
    """One function that does all the steps, in the order of `Augmentation`.

    Args:
        contract: Says what samples consist of.
        augmentation: What to do.

    Raises:
        DatasetError: If the settings do not fit the contract, or make no sense; the function
            raises it if samples do not fit the contract or the settings.
    """
    a = augmentation
    steps: list[Step | None] = [
        MirrorSamples(contract, a.mirror) if a.mirror else None,
        PerturbState(contract, a.perturbation) if a.perturbation else None,
        AddNoise(contract, a.noise) if a.noise else None,
        *(a.crop, a.colour, a.blur, a.cutout),
    ]
    active = [step for step in steps if step is not None]

    def augment(samples: Samples, rng: np.random.Generator) -> Samples:
        require_fit(contract, samples)
        for step in active:
            samples = step(samples, rng)
        return samples

    return augment
