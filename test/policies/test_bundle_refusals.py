"""Whatever is wrong with a bundle's files is refused by an error of ours, never by a traceback.

What arrives from another machine may be cut, changed or made up. A bundle that loads has to act and
to be watched: the monitor must not meet the fault once the arm moves.
"""

import copy
import json
import os
from itertools import chain

import pytest
from made_bundles import edit_info, refused, use, write_info

from il_ros.core.errors import BundleError, ContractError
from il_ros.policies.bundle import load_bundle

POLICY, SCORES = 'policy.safetensors', 'calibration.safetensors'
LARGE, HUGE, DEEP = 2**64 - 1, 10**400, '[' * 100_000
OF_EACH_TYPE = [
    None, True, -1, LARGE, HUGE, 1.5, float('nan'), 'x', '../../x\x00', [], [[]], {}, {'': 0},
]  # fmt: skip


def places(value, at=()):
    """Paths of all values of a JSON document; of lists the first two entries."""
    yield at
    entries = value.items() if isinstance(value, dict) else ()
    for key, inner in chain(entries, enumerate(value[:2]) if isinstance(value, list) else ()):
        yield from places(inner, (*at, key))


def changed(document, at, value):
    if not at:
        return value
    document = copy.deepcopy(document)
    inner = document
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return document


def test_every_value_of_the_description_may_be_of_any_type(task, scratch, info):
    """It is refused, or it says no more than where the policy is from, and the policy works."""
    file, loads = scratch / 'bundle.json', 0
    for index, at in enumerate(places(info)):
        for turn in range(2):
            value = OF_EACH_TYPE[(2 * index + turn) % len(OF_EACH_TYPE)]
            forged = changed(info, at, value)
            if isinstance(forged, dict) and at != ('identity',):
                write_info(scratch, forged)
            else:
                file.write_text(json.dumps(forged))
            if refused(scratch) is None:
                assert at[0] in ('training', 'calibration', 'config', 'horizon'), at
                use(task, load_bundle(scratch))
            loads += 1
    assert loads > 150


@pytest.mark.parametrize('key', ['policy_id', 'contract', 'channels', 'horizon', 'files'])
@pytest.mark.parametrize('value', OF_EACH_TYPE, ids=lambda value: repr(value)[:12])
def test_what_makes_the_policy_is_refused_whatever_else_it_is(copied, key, value):
    edit_info(copied, **{key: value})
    assert refused(copied) is not None


@pytest.mark.parametrize('key', [
    'format', 'policy_id', 'policy', 'config', 'contract', 'contract_hash', 'training', 'channels',
    'horizon', 'calibration', 'files',
])  # fmt: skip
def test_a_key_that_is_missing_is_named(copied, info, key):
    write_info(copied, {k: v for k, v in info.items() if k != key})
    with pytest.raises(BundleError, match=key):
        load_bundle(copied)


@pytest.mark.parametrize(
    ('at', 'value', 'text'),
    [
        ('window', 0, 'window: got 0; allowed: 1 to 100000'),
        ('window', -3, 'window: got -3'),
        ('window', LARGE, 'window: got 18446744073709551615'),
        ('window', HUGE, '100000000000000000... is an integer of more than 64 bits'),
        ('longest', 0, 'begin .*, of at most 0 frames'),
        ('begin', [0, 0, 0, LARGE], 'begin .*, of at most 30 frames'),
        ('begin', [-1, 0, 0, 0], r'begin \(-1'),
        ('begin', [0], r'calibration: .*4 scores, thresholds of \[1, 4\]'),
        ('alpha', 0.0, r'alpha 0\.0 and warn_alpha 0\.1'),
        ('alpha', float('nan'), 'alpha nan'),
        ('alpha', 0.2, r'alpha 0\.2 and warn_alpha 0\.1'),
        ('warn_alpha', float('inf'), 'warn_alpha inf'),
        ('maxima', [float('nan')], 'maxima .*nan'),
        ('maxima', [1.0] * 21, 'maxima .* of 20 episodes'),
        ('stop', float('inf'), 'calibration: thresholds: stop inf'),
        ('warn', 1.1, r'calibration: thresholds: stop .*, warn 1\.1'),
        ('scale', [[0.0], [1.0], [1.0], [1.0]], 'positive scales'),
        ('scale', [[1.0]] * 3, r'thresholds of \[3, 4\]'),
        ('loc', [[], [], [], []], 'calibration: thresholds'),
        ('loc', [[1.0, 2.0], [1.0]], 'calibration: '),
        ('rule', 'max', r'calibration\.rule: got .max.; allowed: mean'),
    ],
)
def test_thresholds_that_no_calibration_gives_are_refused(copied, info, at, value, text):
    edit_info(copied, calibration=info['calibration'] | {at: value})
    with pytest.raises(BundleError, match=text) as caught:
        load_bundle(copied)
    assert caught.value.where.startswith(str(copied / 'bundle.json'))


def test_thresholds_without_their_scores_are_refused(copied):
    """A policy that was watched must not come back as one that is not."""
    edit_info(copied, channels=[])
    with pytest.raises(BundleError, match=r'calibration: .*; to fix: calibrate the policy again'):
        load_bundle(copied)


def test_a_hash_that_is_not_of_the_contract_is_refused(copied):
    edit_info(copied, contract_hash='0' * 64)
    with pytest.raises(
        BundleError, match=r'contract_hash 0+, its contract has [0-9a-f]{64}; to fi'
    ):
        load_bundle(copied)


@pytest.mark.parametrize('text', ['{"format": ' + DEEP, '\ud800', 'null', '4', '"x"', '[4]', '{'])
def test_a_description_that_is_no_description_is_refused(copied, text):
    (copied / 'bundle.json').write_bytes(text.encode(errors='surrogatepass'))
    with pytest.raises(BundleError, match=r'bundle\.json: (damaged|format)'):
        load_bundle(copied)


@pytest.mark.parametrize(
    'text',
    [DEEP[:600], 'since: 2020-13-45', 'a: [', '\x00', 'a: !!python/object:os.system {}', '- 1'],
)
def test_a_contract_that_is_none_is_refused(copied, text):
    edit_info(copied, contract=text)
    with pytest.raises(ContractError, match=r'bundle\.json'):
        load_bundle(copied)


@pytest.mark.parametrize('name', [POLICY, SCORES])
def test_a_file_of_a_bundle_that_is_a_folder_or_cannot_be_read_is_refused(
    copied, name, monkeypatch
):
    (copied / name).unlink()
    (copied / name).mkdir()
    assert f'{name}: missing' in refused(copied)
    (copied / name).rmdir()
    (copied / name).symlink_to(copied / name)  # in a circle
    assert f'{name}: cannot be read: Too many levels of symbolic links' in refused(copied)
    (copied / name).unlink()
    (copied / name).touch()

    opened = os.open

    def fail(path, *args):
        if str(path).endswith(name):
            raise OSError(5, 'Input/output error')
        return opened(path, *args)

    monkeypatch.setattr(os, 'open', fail)
    assert f'{name}: cannot be read: Input/output error' in refused(copied)


def test_only_the_files_of_a_bundle_are_read_whatever_names_it_lists(task, copied, info):
    entry = {'bytes': 1, 'sha256': '0' * 64}
    names = ('../../etc/passwd', '/dev/zero', '', '\x00')
    edit_info(copied, files=info['files'] | dict.fromkeys(names, entry))
    use(task, load_bundle(copied))
