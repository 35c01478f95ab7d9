"""Bundles that earlier versions wrote, as this one reads them."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from il_ros.algorithms.bundle_migration import convert_bundle
from il_ros.cli.main import main
from il_ros.core.contract import parse_contract
from il_ros.core.errors import BundleError, IlRosError
from il_ros.policies.bundle import load_bundle
from il_ros.policies.policy import hash_arrays

OLD = Path(__file__).parents[1] / 'support/bundle_format_2'
ANSWER = [  # of the version that wrote it, to a frame of zeros before normalisation [rad, m]
    [-0.0035, 0.013399, 0.000681, 0.018515, -0.000711, -0.00862, -0.008044, 0.037056],
    [-0.000666, 0.016862, -0.002983, 0.010028, 0.005053, -0.010594, -0.008542, 0.039124],
]


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / 'old'))


KNN, TCE = ('knn', 'knn', 'observation'), ('tce', 'tce', 'observation')


def edit(folder, **changes):
    file = folder / 'bundle.json'
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_an_old_bundle_is_refused_with_the_command_that_converts_it(old):
    with pytest.raises(BundleError, match='format 2; allowed: 5; to fix: run il_ros migrate'):
        load_bundle(old)


def test_the_command_converts_it_and_the_policy_answers_as_it_did(old, capsys):
    assert main(['migrate', str(old), '--in-place']) == 0
    said = capsys.readouterr().out
    assert 'bundle.json.config.hidden: now hidden_dims' in said
    assert 'bundle.json.training.config.held_out: now val_fraction' in said
    bundle = load_bundle(old)
    assert 'bundle.json.config.blend: removed, the monitor averages chunks (chunk_blend)\n' in said
    assert bundle.policy.mlp_config.hidden_dims == (4,)
    assert bundle.policy.mlp_config.exclude_keys == ('joint_velocity',)
    assert bundle.training.config['policy']['hidden_dims'] == [4]
    assert bundle.training.config['ema_decay'] == 0.99
    zeros = np.zeros((1, bundle.policy.features.size), np.float32)
    np.testing.assert_allclose(bundle.policy.answers(zeros)[0], ANSWER, atol=1e-6)
    assert (old.with_name('old.bak') / 'bundle.json').exists()
    assert convert_bundle(old).changes == ()


def test_the_thresholds_belong_to_the_same_policy_afterwards(old, tmp_path):
    identity = json.loads((old / 'bundle.json').read_text())['policy_id']
    edit(old, calibration={'policy_id': identity, 'alpha': 0.02}, channels=[KNN])
    conversion = convert_bundle(old)
    assert conversion.changes[-1].endswith(f', was {identity}')
    with pytest.raises(BundleError, match='calibration'):
        conversion.write(tmp_path / 'new')  # this calibration is none: the copy is read back
    data = json.loads((tmp_path / 'new/bundle.json').read_text())
    assert data['calibration'] == {'policy_id': data['policy_id'], 'alpha': 0.02}
    assert data['policy_id'] != identity


def test_thresholds_of_scores_that_read_averaged_chunks_are_removed(old, tmp_path):
    identity = json.loads((old / 'bundle.json').read_text())['policy_id']
    edit(old, calibration={'policy_id': identity, 'alpha': 0.02}, channels=[KNN, TCE])
    conversion = convert_bundle(old)
    assert any(
        change.endswith(
            'calibration: removed, its scores read averaged chunks; run il_ros monitor calibrate'
        )
        for change in conversion.changes
    )
    with contextlib.suppress(IlRosError):  # the scores' arrays are not there
        conversion.write(tmp_path / 'new')
    assert json.loads((tmp_path / 'new/bundle.json').read_text())['calibration'] is None


@pytest.mark.parametrize('blend', [0.5, 0.0])
def test_a_bundle_of_format_3_loses_its_blend_and_is_told_of_another_weight(old, tmp_path, blend):
    convert_bundle(old).write(tmp_path / 'current')
    data = json.loads((tmp_path / 'current/bundle.json').read_text())
    config = data['config'] | {'blend': blend}
    arrays = safetensors.numpy.load((old / 'policy.safetensors').read_bytes())
    contract = parse_contract(data['contract'], source='test')
    plain = json.dumps(config, sort_keys=True)
    identity = hash_arrays(sorted(arrays.items()), 'mlp', plain, contract.hash)[:16]
    edit(tmp_path / 'current', format=3, config=config, policy_id=identity)
    with pytest.raises(BundleError, match='format 3; allowed: 5; to fix: run il_ros migrate'):
        load_bundle(tmp_path / 'current')
    conversion = convert_bundle(tmp_path / 'current')
    assert f'set chunk_blend to {blend}, not 0.75' in conversion.changes[1]
    conversion.write(tmp_path / 'new')
    assert load_bundle(tmp_path / 'new').policy_id == data['policy_id']


def test_a_bundle_that_was_changed_or_is_older_is_not_converted(old):
    edit(old, format=1)
    with pytest.raises(
        BundleError, match='format 1; allowed: 2, 3, 4, 5; to fix: train the policy again'
    ):
        convert_bundle(old)
    edit(old, format=2, policy_id='0' * 16)
    with pytest.raises(BundleError, match=r'the policy is not 0000.*changed by hand'):
        convert_bundle(old)
    (old / 'policy.safetensors').write_bytes(b'x')
    with pytest.raises(BundleError, match=r'policy\.safetensors: 1 bytes'):
        convert_bundle(old)
    (old / 'bundle.json').write_text('[]')
    with pytest.raises(BundleError, match='cannot be read'):
        convert_bundle(old)


def test_one_that_lacks_a_part_is_called_damaged(old):
    edit(old, files={})
    with pytest.raises(BundleError, match='damaged: KeyError'):
        convert_bundle(old)


PARTS = [
    ('contract',), ('policy_id',), ('files',), ('files', 'policy.safetensors'),
    ('files', 'policy.safetensors', 'bytes'), ('files', 'policy.safetensors', 'sha256'),
    ('config',), ('config', 'hidden'), ('training',), ('training', 'config'),
    ('training', 'config', 'policy'), ('channels',), ('channels', 0), ('channels', 0, 1),
    ('calibration',), ('format',), (),
]  # fmt: skip
OTHERS = [None, True, -1, 10**400, 1.5, 'x', [], [[]], ['x'], {}, {'a': 1}]


@pytest.mark.parametrize('part', PARTS, ids=lambda part: '.'.join(map(str, part)))
def test_a_part_of_any_other_type_is_refused_or_makes_no_bundle(old, part):
    """Whatever an old file holds in the place of what belongs there, there is no traceback."""
    file = old / 'bundle.json'
    identity = json.loads(file.read_text())['policy_id']
    for other in OTHERS:
        document = json.loads((OLD / 'bundle.json').read_text())
        document |= {'channels': [list(KNN), list(TCE)], 'calibration': {'policy_id': identity}}
        if part:
            inner = document
            for key in part[:-1]:
                inner = inner[key]
            inner[part[-1]] = other
        file.write_text(json.dumps(document if part else other))
        with contextlib.suppress(IlRosError):
            convert_bundle(old)
        if part in (('contract',), ('policy_id',), ('files',), ('config',), ('training',), ()):
            with pytest.raises(IlRosError):
                convert_bundle(old)


def test_a_description_that_nests_too_deeply_is_refused(old):
    (old / 'bundle.json').write_text('[' * 100_000)
    with pytest.raises(
        BundleError, match=r'bundle\.json: cannot be read: nested more than 100 deep'
    ):
        convert_bundle(old)


def test_a_conversion_that_fails_leaves_the_old_bundle_as_it_was(old, monkeypatch):
    before = {file.name: file.read_bytes() for file in old.iterdir()}

    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('il_ros.algorithms.bundle_migration.write_atomic', fail)
    assert main(['migrate', str(old), '--in-place']) != 0
    assert {file.name: file.read_bytes() for file in old.iterdir()} == before
    assert [path.name for path in old.parent.iterdir()] == ['old']
