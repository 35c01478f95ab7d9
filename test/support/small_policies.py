"""A policy that is trained and calibrated within seconds."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.calibration.calibrate import CalibrationConfig, calibrate
from il_ros.core.contract import load_contract
from il_ros.datasets.dataset_writer import save_dataset
from il_ros.evaluation.suites import draw_seeds
from il_ros.monitors.scores import ensemble, flow
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_threshold
from il_ros.policies.mlp import MlpConfig
from il_ros.rollouts.demonstrations import dataset_of_rollouts, demonstrate
from il_ros.rollouts.episode_cases import EpisodeCase
from il_ros.rollouts.rollout_pool import EpisodeSetup, run_cases

REACH = Path('config/contracts/franka_reach.yaml')


@contextmanager
def scores_trained_for(steps):
    """Scores take so many steps of training instead of thousands."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (ensemble, flow):
            patch.setattr(module, '_STEPS', steps)
        yield


def make_reach_bundle(folder):
    """The bundle of a small policy of the reach task, calibrated on rollouts of its own."""
    contract, path = load_contract(REACH), folder / 'bundle'
    save_dataset(demonstrate(contract, 'reach', range(40)), folder / 'dataset')
    config = BcConfig(
        policy=MlpConfig(hidden_dims=(64, 64)), epochs=80, batch_size=64, device='cpu'
    )
    train_bundle(folder / 'dataset', path, config)
    setup = EpisodeSetup(contract=REACH, task='reach', bundle=path, safety_filter='limits')
    cases = [EpisodeCase(seed=seed) for seed in draw_seeds('calibration', 32)]
    good = [rollout for rollout in run_cases(setup, cases) if rollout.success]
    rollouts, bundle = dataset_of_rollouts(contract, 'reach', good), load_bundle(path)
    threshold = calibrate(
        bundle.scores,
        bundle.policy,
        rollouts,
        range(len(rollouts.episodes)),
        source='rollouts',
        policy_id=bundle.policy_id,
        config=CalibrationConfig(alpha=0.05),
    )
    save_threshold(path, bundle, threshold)
    return path
