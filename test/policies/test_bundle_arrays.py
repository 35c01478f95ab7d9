"""Arrays whose file has the size and the hash that the bundle says, but not what was trained."""

import json
import re
import shutil

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from made_bundles import edit_info, refused, replace_arrays, replace_content, use

from il_ros.core.errors import BundleError, IlRosError
from il_ros.policies.bundle import load_bundle

POLICY, SCORES = 'policy.safetensors', 'calibration.safetensors'


def broken(array):
    """Arrays in the place of this one, each with what is wrong with it."""
    yield 'no entries', array[:0]
    yield 'one row more', np.concatenate([array, array[:1]])
    yield 'one axis more', array[None].copy()
    yield 'a number', np.array(1.0)
    other = array.astype(np.float64)
    other.flat[-1] = np.nan
    yield 'not finite', other


def loaded_as_its_own(path):
    """The bundle, with the identity that its arrays have; a forger would write it, too."""
    try:
        return load_bundle(path)
    except BundleError as problem:
        identity = re.search(r'policy (\w{16}), but it says', str(problem))
        if identity is None:
            raise
    calibration = json.loads((path / 'bundle.json').read_text())['calibration']
    edit_info(path, policy_id=identity[1], calibration=calibration | {'policy_id': identity[1]})
    return load_bundle(path)


def accepted(path, name, arrays):
    replace_arrays(path, name, arrays)
    try:
        return loaded_as_its_own(path)
    except IlRosError:
        return None


@pytest.mark.parametrize('name', [POLICY, SCORES])
def test_arrays_that_are_wrong_are_refused(task, whole, scratch, info, name):
    arrays = safetensors.numpy.load((whole / name).read_bytes())
    for key, array in arrays.items():
        cases = [('missing', None), *broken(array)]
        for what, other in cases:
            (scratch / 'bundle.json').write_text(json.dumps(info))
            rest = {k: v for k, v in arrays.items() if k != key}
            bundle = accepted(scratch, name, rest if other is None else rest | {key: other})
            if bundle is not None:
                assert key.endswith('.points'), f'{key}: {what}'  # of these there may be fewer
                use(task, bundle)
    shutil.copy(whole / name, scratch / name)


@pytest.mark.parametrize('scale', [0.0, -1.0])
@pytest.mark.parametrize(
    ('name', 'key'), [(POLICY, 'inputs'), (POLICY, 'outputs'), (SCORES, 'features')]
)
def test_a_scale_that_is_not_positive_is_refused(whole, copied, name, key, scale):
    arrays = safetensors.numpy.load((whole / name).read_bytes())
    scales = arrays[f'{key}.scale'].copy()
    scales.flat[0] = scale
    replace_arrays(copied, name, arrays | {f'{key}.scale': scales})
    with pytest.raises(IlRosError, match=rf'wrong arrays: {key}\.mean .*; allowed: finite means'):
        load_bundle(copied)
    replace_arrays(copied, name, arrays | {f'{key}.clip': np.array([scale])})
    with pytest.raises(IlRosError, match=rf'wrong arrays: {key}\.mean .*one positive clip'):
        load_bundle(copied)


def test_weights_of_the_network_that_are_unknown_are_refused_others_are_not_looked_at(
    task, whole, copied
):
    arrays = safetensors.numpy.load((whole / POLICY).read_bytes())
    answer = load_bundle(copied).policy.act(task.frame(0))
    replace_arrays(copied, POLICY, arrays | {'../x': np.zeros(3), '': np.ones((2, 2))})
    np.testing.assert_array_equal(load_bundle(copied).policy.act(task.frame(0)), answer)
    replace_arrays(copied, POLICY, arrays | {'network.': np.zeros(3)})
    with pytest.raises(BundleError, match='wrong arrays: more than there should be'):
        load_bundle(copied)


@settings(max_examples=30)
@given(data=st.data())
def test_bytes_that_were_changed_are_no_traceback_even_with_a_hash_that_fits(
    task, whole, scratch, info, data
):
    """Cut or with flipped bits, in the header of safetensors as in the numbers."""
    name = data.draw(st.sampled_from([POLICY, SCORES]))
    content = bytearray((whole / name).read_bytes())
    header = 8 + int.from_bytes(content[:8], 'little')
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, header - 1) | st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    content = bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    (scratch / 'bundle.json').write_text(json.dumps(info))
    (scratch / name).write_bytes(content)
    assert refused(scratch) is not None or content == (whole / name).read_bytes()
    replace_content(scratch, name, content)
    try:
        bundle = loaded_as_its_own(scratch)
    except IlRosError:
        bundle = None
    if bundle is not None:
        bundle.policy.act(task.frame(0))
    shutil.copy(whole / name, scratch / name)
