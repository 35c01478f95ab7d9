import json
import os
from dataclasses import replace

import numpy as np
import pytest
from made_bundles import CHANNELS, edit_info, make_bundle, make_limit, make_policy

from il_ros.calibration.fit_scores import traces
from il_ros.core.contract import parse_contract
from il_ros.core.errors import BundleError, ContractError, IlRosError, UnknownNameError
from il_ros.policies import bundle as policies_bundle
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_writer import save_bundle, save_threshold

FIX = 'to fix: copy the bundle again, or train again'


@pytest.fixture(scope='module')
def bundle(task):
    return make_bundle(task)


@pytest.fixture
def path(bundle, tmp_path):
    save_bundle(bundle, tmp_path / 'bundle')
    return tmp_path / 'bundle'


def test_what_is_saved_is_loaded_and_acts_the_same(task, bundle, path):
    assert sorted(os.listdir(path)) == [
        'bundle.json', 'calibration.safetensors', 'policy.safetensors'
    ]  # fmt: skip
    loaded = load_bundle(path, contract=task.contract, device='auto')
    frame = task.frame(0)
    np.testing.assert_array_equal(loaded.policy.act(frame), make_policy(task).act(frame))
    assert loaded.training == bundle.training
    assert loaded.policy_id == bundle.policy_id
    assert len(loaded.policy_id) == 16
    assert loaded.contract.text == task.contract.text
    assert loaded.calibration is None
    assert 'numpy' in loaded.training.versions
    assert loaded.scores.specs == CHANNELS
    (one,), (other,) = (
        traces(b.scores, b.policy, task.dataset([7]), [0]) for b in (bundle, loaded)
    )
    np.testing.assert_array_equal(one, other)


def test_the_identity_is_of_weights_config_and_contract_alone(task, bundle):
    assert make_policy(task, seed=0).arrays().keys() == make_policy(task, seed=1).arrays().keys()
    other = replace(bundle, policy=make_policy(task, seed=1))
    assert other.policy_id != bundle.policy_id
    assert replace(bundle, scores=None).policy_id == bundle.policy_id


def test_the_identity_is_hashed_once_however_many_chunks_carry_it(bundle, monkeypatch):
    hashed, whole = [], policies_bundle.hash_arrays
    monkeypatch.setattr(
        policies_bundle, 'hash_arrays', lambda *args: hashed.append(1) or whole(*args)
    )
    again = replace(bundle)
    assert {again.policy_id for _ in range(100)} == {bundle.policy_id}
    assert len(hashed) == 1


@pytest.mark.parametrize('varying', [False, True])
def test_thresholds_can_be_set_and_set_again(task, bundle, path, varying):
    before = {n: (path / n).read_bytes() for n in os.listdir(path) if n != 'bundle.json'}
    for first in (50, 80):
        limit = make_limit(task, bundle, first, varying=varying, window=3)
        save_threshold(path, bundle, limit)
        loaded = load_bundle(path)
        assert loaded.threshold == limit
        assert loaded.calibration.policy_id == loaded.policy_id
        assert (loaded.calibration.longest, loaded.calibration.bank.window) == (30, 3)
        np.testing.assert_array_equal(loaded.calibration.thresholds.loc, limit.loc)
        assert loaded.calibration.thresholds.at(4)[0] == limit.thresholds.at(4)[0]
    assert {n: (path / n).read_bytes() for n in before} == before


def test_what_makes_the_score_inputs_knows_what_the_scores_need(task, bundle, path):
    loaded = load_bundle(path)
    assert loaded.score_inputs.needs == loaded.scores.bank().needs
    assert loaded.score_inputs.of_frame(task.frame(0)).embedding is None
    assert replace(bundle, scores=None).score_inputs is None


def test_a_bundle_without_scores_is_a_bundle(bundle, tmp_path):
    save_bundle(replace(bundle, scores=None), tmp_path / 'bare')
    loaded = load_bundle(tmp_path / 'bare')
    assert (loaded.scores, loaded.score_inputs, loaded.calibration) == (None, None, None)


def test_a_calibration_that_does_not_fit_the_scores_is_refused_when_it_is_loaded(
    task, bundle, path
):
    limit = make_limit(task, bundle)
    save_threshold(path, bundle, replace(limit, loc=limit.loc[:1]))
    with pytest.raises(
        BundleError, match=r'calibration: .*2 scores, thresholds of \[1, 2\]; allowed'
    ):
        load_bundle(path)
    save_threshold(path, bundle, replace(limit, loc=((1.0,), (1.0, 2.0))))
    with pytest.raises(BundleError, match=r'calibration: .*; to fix: calibrate the policy again'):
        load_bundle(path)


def test_a_threshold_of_another_policy_is_refused(task, bundle, path):
    save_threshold(path, bundle, replace(make_limit(task, bundle), policy_id='0' * 16))
    with pytest.raises(BundleError, match=r'policy .*, but it says 0000000000000000, '):
        load_bundle(path)


def test_another_contract_is_refused_with_the_difference(task, path):
    other = parse_contract(task.contract.text.replace('rate: 20.0', 'rate: 10.0'))
    with pytest.raises(ContractError) as caught:
        load_bundle(path, contract=other)
    assert f"{path}: made for contract 'test'" in str(caught.value)
    assert '-rate: 20.0\n  +rate: 10.0' in str(caught.value)


@pytest.mark.parametrize('name', ['policy.safetensors', 'calibration.safetensors'])
def test_a_cut_changed_or_missing_file_is_named(path, name):
    whole = (path / name).read_bytes()
    (path / name).write_bytes(whole[:-3])
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    assert str(caught.value) == (
        f'{path / name}: {len(whole) - 3} bytes; allowed: {len(whole)} bytes; {FIX}'
    )
    (path / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BundleError, match=rf'{name}: SHA-256 [0-9a-f]{{16}}; allowed: [0-9a-f]+; '):
        load_bundle(path)
    (path / name).unlink()
    with pytest.raises(BundleError, match=f'{name}: missing; {FIX}'):
        load_bundle(path)


@pytest.mark.parametrize('share', [0.0, 0.3, 0.99])
def test_a_cut_description_is_named(path, share):
    whole = (path / 'bundle.json').read_text()
    (path / 'bundle.json').write_text(whole[: int(share * len(whole))])
    with pytest.raises(BundleError, match=rf'bundle\.json: damaged: .*; {FIX}'):
        load_bundle(path)


def test_what_is_no_bundle_is_named(tmp_path, path):
    with pytest.raises(BundleError, match='none: no such folder; allowed: the folder of a bundle'):
        load_bundle(tmp_path / 'none')
    with pytest.raises(BundleError, match=r'no bundle\.json in it; .*; to fix: make one by "il_ro'):
        load_bundle(tmp_path)
    for other, fix in (
        (1, 'train the policy again'),
        (2, 'run il_ros migrate'),
        (7, 'update il_ros'),
    ):
        edit_info(path, format=other)
        text = rf'bundle\.json: format {other}; allowed: 5; to fix: {fix}'
        with pytest.raises(BundleError, match=text):
            load_bundle(path)
    edit_info(path, format=5, extra=1)
    with pytest.raises(BundleError, match=r"bundle\.json: unknown key 'extra'; allowed: format, "):
        load_bundle(path)


def test_an_unknown_policy_or_score_is_named_with_those_that_are_known(path):
    edit_info(path, policy='diffusion')
    with pytest.raises(UnknownNameError) as caught:
        load_bundle(path)
    assert str(caught.value).startswith(
        f"{path / 'bundle.json'}: unknown policy 'diffusion'; allowed: mlp; to fix: use one of"
    )
    edit_info(path, policy='mlp', channels=[['look', 'guess', 'observation']])
    with pytest.raises(IlRosError) as caught:
        load_bundle(path)
    assert str(caught.value).startswith(f"{path}: unknown score 'guess'; allowed: ")
    assert 'mahalanobis' in str(caught.value)
    edit_info(path, channels=[['other', 'tce', 'observation']])
    with pytest.raises(IlRosError, match=f'{path}: .*; to fix: train the policy again'):
        load_bundle(path)


def test_a_configuration_that_was_changed_by_hand_is_noticed(path):
    config = json.loads((path / 'bundle.json').read_text())['config']
    edit_info(path, config=config | {'clip': 4.0})
    with pytest.raises(BundleError, match='it was changed by hand: train or calibrate again'):
        load_bundle(path)
    edit_info(path, config=config | {'hidden_dims': [9]})
    with pytest.raises(BundleError, match=r'wrong arrays: layers\.0\.weight'):
        load_bundle(path)


def test_a_bundle_is_not_overwritten_unless_asked(bundle, path, tmp_path):
    with pytest.raises(BundleError, match='bundle: exists already; to fix: choose another name'):
        save_bundle(bundle, path)
    save_bundle(bundle, path, overwrite=True)
    assert os.listdir(tmp_path) == ['bundle']


def test_an_interrupted_save_leaves_the_old_bundle(bundle, path, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, 'fsync', interrupt)
        with pytest.raises(KeyboardInterrupt):
            save_bundle(bundle, path, overwrite=True)
    assert os.listdir(tmp_path) == ['bundle']
    assert load_bundle(path).policy_id == bundle.policy_id
