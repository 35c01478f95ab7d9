"""A bundle states what it is as a whole, and what was changed afterwards is refused."""

import json
import math
from dataclasses import replace

import pytest
from made_bundles import edit_info, make_limit, refused, write_info

from il_ros.core.errors import BundleError
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_signature import identity_of
from il_ros.policies.bundle_writer import save_bundle, save_threshold


def hand_edited(folder, info, **changes):
    (folder / 'bundle.json').write_text(json.dumps(info | changes))


def test_the_identity_is_a_hash_over_the_values_not_over_their_layout(whole, copied, info):
    loaded = load_bundle(whole)
    assert loaded.identity == info['identity'] == identity_of(info)
    assert len(loaded.identity) == 64
    turned = dict(reversed(info.items()))
    (copied / 'bundle.json').write_text(json.dumps(turned, indent=7, ensure_ascii=True))
    assert load_bundle(copied).identity == loaded.identity


def test_an_identity_belongs_to_what_was_loaded_alone(whole, tmp_path):
    loaded = load_bundle(whole)
    assert replace(loaded, threshold=None).identity == ''
    assert save_bundle(loaded, tmp_path / 'again') == loaded.identity
    assert load_bundle(tmp_path / 'again').identity == loaded.identity


def test_thresholds_change_the_identity_and_not_the_policy(task, copied):
    before = load_bundle(copied)
    stated = save_threshold(copied, before, make_limit(task, before, 80, varying=False))
    after = load_bundle(copied)
    assert after.identity == stated != before.identity
    assert after.policy_id == before.policy_id


@pytest.mark.parametrize('key', ['stop', 'warn', 'warn_alpha', 'longest', 'window'])
def test_a_threshold_that_was_edited_by_hand_is_refused(copied, info, key):
    """In its last digit, too."""
    value = info['calibration'][key]
    edited = value + 1 if isinstance(value, int) else math.nextafter(value, 9)
    hand_edited(copied, info, calibration=info['calibration'] | {key: edited})
    with pytest.raises(BundleError) as caught:
        load_bundle(copied)
    said = str(caught.value)
    assert said.startswith(f'{copied / "bundle.json"}: identity {info["identity"][:16]}, its ')
    assert said.endswith('to fix: it was changed by hand: train or calibrate again')


def test_a_calibration_that_was_taken_out_is_refused(copied, info):
    """A policy that was watched must not come back as one that is not."""
    hand_edited(copied, info, calibration=None)
    assert 'identity' in refused(copied)
    hand_edited(copied, info, training=info['training'] | {'data_hash': 'cd'})
    assert 'identity' in refused(copied)


@pytest.mark.parametrize('stated', ['', '0' * 64, None, 7, [], 'Ü'])
def test_an_identity_that_is_none_is_refused(copied, info, stated):
    hand_edited(copied, info, identity=stated)
    assert 'bundle.json' in refused(copied)


def test_forged_thresholds_that_switch_the_watch_off_are_refused(copied, info):
    """Whoever changes numbers can change the identity with them: what they say is checked, too."""
    calibration = info['calibration']
    channels, ticks = len(calibration['loc']), len(calibration['loc'][0])
    far = [[1e300] * ticks] * channels
    one_far = [[1e300] * ticks, *calibration['scale'][1:]]
    never = [1e300] * len(calibration['maxima'])
    for forged, text in (
        ({'stop': 1e300}, r'calibration: thresholds: stop 1e\+300; allowed: 1\.'),
        ({'stop': -1e300}, r'stop -1e\+300'),
        ({'warn': -1e300}, r'warn -1e\+300; allowed: '),
        ({'stop': 1e300, 'maxima': never, 'warn': 1.0}, 'no observation could be above them'),
        ({'scale': far}, 'no observation could be above them'),
        ({'scale': one_far}, r'no observation could be above them \(knn\)'),
        ({'loc': far}, 'no observation could be above them'),
        ({'maxima': []}, r'maxima 0; allowed: 9 or more'),
        ({'alpha': 1e-6, 'stop': max(calibration['maxima'])}, r'maxima 15; allowed: 999999'),
        ({'window': 31}, r'window 31; allowed: 1 to 30'),
        ({'longest': 10**6}, r'longest 1000000; allowed: 1 to 100000'),
        ({'scale': [[1.0] * 31] * channels}, r'ticks of loc and scale 31; allowed: 1 to 1;'),
    ):
        edit_info(copied, calibration=calibration | forged)
        with pytest.raises(BundleError, match=text):
            load_bundle(copied)
        write_info(copied, info)
    assert load_bundle(copied).calibration is not None


def test_bundles_of_the_format_before_get_an_identity_by_migration(copied, info, capsys):
    from il_ros.cli.main import main

    old = {key: value for key, value in info.items() if key != 'identity'} | {'format': 4}
    (copied / 'bundle.json').write_text(json.dumps(old))
    assert f'to fix: run il_ros migrate {copied}' in refused(copied)
    assert main(['migrate', str(copied), '--in-place']) == 0
    assert 'bundle.json: format 5, with an identity; was 4' in capsys.readouterr().out
    assert load_bundle(copied).identity == info['identity']
    old['calibration']['stop'] = 1e300
    (copied / 'bundle.json').write_text(json.dumps(old))
    assert main(['migrate', str(copied)]) == 1
    assert main(['migrate', str(copied), '--out', str(copied.with_name('out'))]) == 2
    assert 'stop 1e+300' in capsys.readouterr().out
