"""Bundles of the made-up task of `conftest.Task`, with a small policy of random weights."""

import hashlib
import json

import numpy as np
import safetensors.numpy

from il_ros.calibration.calibrate import CalibrationConfig, calibrate
from il_ros.calibration.fit_scores import fit_bank
from il_ros.core.errors import IlRosError
from il_ros.core.observation_features import Features, Normalizer
from il_ros.policies.bundle import Bundle, Training, load_bundle
from il_ros.policies.bundle_signature import with_identity
from il_ros.policies.mlp import MlpConfig, MlpPolicy, network_shapes

CHANNELS = (
    ('look', 'clustered_mahalanobis', 'observation'), ('answer', 'tce', 'observation'),
)  # fmt: skip


def make_policy(task, seed=0):
    """An MLP that answers two steps."""
    config, rng = MlpConfig(hidden_dims=(8,), horizon=2), np.random.default_rng(seed)
    size, shape = Features(task.contract).size, (2, 2)
    shapes = network_shapes(config, size, shape)
    weights = {
        name: rng.standard_normal(s).astype(np.float32)
        for name, s in shapes.items()
        if name not in ('inputs', 'outputs')
    }
    inputs = Normalizer(mean=np.zeros(size), scale=np.ones(size), clip=5.0)
    outputs = Normalizer(mean=np.zeros(shape), scale=np.ones(shape))
    return MlpPolicy(task.contract, config, weights=weights, inputs=inputs, outputs=outputs)


def make_bundle(task, channels=CHANNELS):
    """Its bundle, with scores that have no thresholds yet."""
    training = Training(
        algorithm='bc', config={'epochs': 1}, metrics={'best_loss': 0.5}, data_hash='ab',
        episodes=('e0',), seeds=(0,), held_out=(),
    )  # fmt: skip
    policy = make_policy(task)
    scores = fit_bank(policy, task.dataset(range(5)), range(5), channels)
    return Bundle(policy=policy, training=training, scores=scores)


def make_limit(task, bundle, first=50, **options):
    """Thresholds from the twenty episodes of the seeds from `first` on."""
    return calibrate(
        bundle.scores, bundle.policy, task.dataset(range(first, first + 20)), range(20),
        source='rollouts', policy_id=bundle.policy_id,
        config=CalibrationConfig(alpha=0.1, **options),
    )  # fmt: skip


def edit_info(folder, **changes):
    """Change what a bundle's description says, its identity with it, as a forger would."""
    write_info(folder, json.loads((folder / 'bundle.json').read_text()) | changes)


def write_info(folder, description):
    """Write a description with the identity that its content has."""
    (folder / 'bundle.json').write_text(json.dumps(with_identity(description)))


def replace_arrays(folder, name, arrays):
    """Put other arrays into a file of a bundle, with the size and the hash that they have."""
    replace_content(folder, name, safetensors.numpy.save(arrays))


def replace_content(folder, name, content):
    """Put other bytes into a file of a bundle, with the size and the hash that they have."""
    (folder / name).write_bytes(content)
    files = json.loads((folder / 'bundle.json').read_text())['files']
    files[name] = {'bytes': len(content), 'sha256': hashlib.sha256(content).hexdigest()}
    edit_info(folder, files=files)


def refused(path):
    """Text of the error that refuses a bundle; None where it is loaded after all."""
    try:
        load_bundle(path)
    except IlRosError as problem:
        return str(problem)
    return None


def use(task, bundle):
    """Act on a few frames and read the scores, as a robot would."""
    bank = bundle.scores.bank(1) if bundle.scores else None
    for step in range(3):
        frame = task.frame(step, a=0.1 * step)
        chunk = bundle.policy.act(frame)
        assert np.isfinite(chunk).all()
        if bank:
            readings = bank.read(bundle.score_inputs.of_frame(frame, chunk, 0.05 * step))
            if bundle.calibration:
                bundle.calibration.thresholds.ratios(readings, step)
    if bundle.threshold:
        assert bundle.threshold.odd
