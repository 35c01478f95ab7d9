"""Thresholds set in the folder of a bundle: nothing else of it changes, whatever goes wrong."""

import json
import os
from dataclasses import replace

import pytest
from made_bundles import make_bundle

from il_ros.calibration.calibrate import CalibrationConfig, calibrate_bundle
from il_ros.core.contract import parse_contract
from il_ros.core.errors import BundleError, ContractError, DatasetError, IlRosError
from il_ros.datasets.memory_dataset import assemble
from il_ros.monitors.conformal_thresholds import CalibrationError
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_bundle


@pytest.fixture
def folder(task, tmp_path):
    save_bundle(make_bundle(task), tmp_path / 'bundle')
    return tmp_path / 'bundle'


def test_calibrating_a_bundle_changes_its_thresholds_alone(task, folder):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    config = CalibrationConfig(alpha=0.1)
    _, found = calibrate_bundle(folder, task.dataset(range(50, 70)), config, where='rollouts')
    assert load_bundle(folder).threshold == found
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    infos = [json.loads(files.pop('bundle.json')) for files in (before, after)]
    assert before == after
    assert infos[0].pop('identity') != infos[1].pop('identity')
    assert infos[0] == infos[1] | {'calibration': None}
    # The same once more gives the same thresholds, to the last bit.
    again = calibrate_bundle(folder, task.dataset(range(50, 70)), config, where='rollouts')[1]
    assert again == found


@pytest.mark.parametrize(
    ('seeds', 'error', 'text'),
    [
        (
            [0, *range(50, 70)],
            DatasetError,
            r'rollouts: the policy was trained on e0 or the same s',
        ),
        (range(50, 55), CalibrationError, '5 episodes are too few'),
    ],
)
def test_a_bundle_that_cannot_be_calibrated_stays_as_it_was(task, folder, seeds, error, text):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(error, match=text):
        calibrate_bundle(folder, task.dataset(seeds), where='rollouts')
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_rollouts_of_another_contract_or_without_scores_calibrate_nothing(task, folder, tmp_path):
    config = CalibrationConfig(alpha=0.1)
    other = parse_contract(task.contract.text.replace('rate: 20.0', 'rate: 10.0'))
    rollouts = assemble(other, [task.episode(seed) for seed in range(50, 70)])
    with pytest.raises(ContractError, match="made for contract 'test'"):
        calibrate_bundle(folder, rollouts, config, where='rollouts')
    save_bundle(replace(make_bundle(task), scores=None), tmp_path / 'bare')
    with pytest.raises(BundleError, match='has no scores; allowed: a policy whose actions are pos'):
        calibrate_bundle(tmp_path / 'bare', task.dataset(range(50, 70)), config, where='rollouts')


def test_a_full_disk_leaves_the_old_thresholds(task, folder, monkeypatch):
    config = CalibrationConfig(alpha=0.1)
    found = calibrate_bundle(folder, task.dataset(range(50, 70)), config, where='rollouts')[1]

    def full(*_):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', full)
        with pytest.raises(IlRosError, match='cannot be written: No space left on device'):
            calibrate_bundle(folder, task.dataset(range(70, 90)), config, where='rollouts')
    assert load_bundle(folder).threshold == found
    assert sorted(os.listdir(folder)) == [
        'bundle.json', 'calibration.safetensors', 'policy.safetensors'
    ]  # fmt: skip
