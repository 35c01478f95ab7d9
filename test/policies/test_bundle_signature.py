"""Bundles that are signed, that are not, and that say they are."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_bundles import edit_info, make_limit

from il_ros.core.errors import BundleError, IlRosError
from il_ros.policies import bundle as policies_bundle
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_signature import (
    SIGNATURE_FILE,
    BundleTrust,
    read_signature,
    sign_bundle,
)
from il_ros.policies.bundle_writer import save_bundle, save_threshold
from il_ros.policies.signing_keys import generate_keys

REFUSED = 'not a regular file|Is a directory|at most 16384 are read'


@pytest.fixture(scope='module')
def keys(tmp_path_factory):
    """Two pairs: private and public files of each, and the fingerprints."""
    folder = tmp_path_factory.mktemp('keys')
    pairs = [(folder / name, folder / f'{name}.pub') for name in ('ours', 'theirs')]
    return [(*pair, generate_keys(*pair)) for pair in pairs]


@pytest.fixture
def signed(copied, keys):
    sign_bundle(copied, load_bundle(copied).identity, keys[0][0])
    return copied


def load(folder, *public, identity=''):
    return load_bundle(folder, trust=BundleTrust(identity=identity, keys=public))


def test_a_signed_bundle_is_loaded_by_who_trusts_the_key(signed, keys):
    (_, ours, fingerprint), (_, theirs, _) = keys
    assert load(signed, ours).identity == load(signed, theirs, ours).identity
    assert read_signature(signed).key == fingerprint
    assert sorted(os.listdir(signed)) == [
        'bundle.json', 'calibration.safetensors', 'policy.safetensors', 'signature.json'
    ]  # fmt: skip


def test_a_bundle_without_a_signature_of_a_trusted_key_is_refused(copied, signed, keys):
    (_, ours, one), (_, theirs, other) = keys
    with pytest.raises(BundleError) as caught:
        load(signed, theirs)
    assert str(caught.value) == (
        f'{signed / SIGNATURE_FILE}: signed with key {one[:16]}; allowed: {other[:16]}; to fix: '
        'trust that key, or sign with one of these'
    )
    (signed / SIGNATURE_FILE).unlink()
    with pytest.raises(BundleError, match='is not signed; to fix: run "il_ros bundle sign" where'):
        load(copied, ours)
    assert load(copied).policy_id


def test_nothing_but_the_description_is_read_of_a_bundle_that_is_not_trusted(
    signed, keys, monkeypatch
):
    def never(*_, **__):
        raise AssertionError('read before it was trusted')

    monkeypatch.setattr(policies_bundle, 'parse_contract', never)
    monkeypatch.setattr(policies_bundle, 'read_arrays', never)
    with pytest.raises(BundleError, match='signed with key'):
        load(signed, keys[1][1])


def test_a_signature_is_void_once_anything_was_changed(task, signed, keys):
    ours = keys[0][1]
    bundle = load_bundle(signed)
    save_threshold(signed, bundle, make_limit(task, bundle, 80, varying=False))
    with pytest.raises(BundleError, match=r'signed as \w{16}, it is \w{16} now; to fix: see what'):
        load(signed, ours)
    sign_bundle(signed, load_bundle(signed).identity, keys[0][0])
    assert load(signed, ours)
    edit_info(signed, training={**json.loads((signed / 'bundle.json').read_text())['training'],
                                'data_hash': 'cd'})  # fmt: skip
    with pytest.raises(BundleError, match='signed as'):
        load(signed, ours)
    save_bundle(bundle, signed, overwrite=True)
    with pytest.raises(BundleError, match='is not signed'):
        load(signed, ours)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'signature': '00' * 64}, 'the signature is not of key'),
        ({'signature': ''}, 'the signature is not of key'),
        ({'signature': 'no digits'}, 'the signature is not of key'),
        ({'key': '0' * 64}, 'signed with key 0000000000000000; allowed'),
        ({'identity': '0' * 64}, 'signed as 0000000000000000'),
        ({'algorithm': 'none'}, 'algorithm: got'),
        ({'format': 2}, 'format: got'),
        ({'signature': None}, 'signature: '),
        ({'extra': 1}, "unknown key 'extra'"),
    ],
)
def test_a_forged_signature_is_refused(signed, keys, changes, text):
    file = signed / SIGNATURE_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(BundleError, match=text):
        load(signed, keys[0][1])


def test_a_signature_of_another_bundle_does_not_fit(task, signed, keys, tmp_path):
    bundle = load_bundle(signed)
    other = tmp_path / 'other'
    save_bundle(bundle, other)
    save_threshold(other, bundle, make_limit(task, bundle, 80, varying=False))
    shutil.copy(signed / SIGNATURE_FILE, other)
    with pytest.raises(BundleError, match='signed as'):
        load(other, keys[0][1])
    stolen = json.loads((other / SIGNATURE_FILE).read_text())
    stolen['identity'] = load_bundle(other).identity
    (other / SIGNATURE_FILE).write_text(json.dumps(stolen))
    with pytest.raises(BundleError, match='the signature is not of key'):
        load(other, keys[0][1])


@pytest.mark.parametrize(
    'content', [b'', b'{', b'[' * 5000, b'\xff', b'7', b'{"a": ' + b'9' * 9999]
)
def test_a_signature_file_that_is_none_is_refused(signed, keys, content):
    (signed / SIGNATURE_FILE).write_bytes(content)
    with pytest.raises(BundleError, match=SIGNATURE_FILE):
        load(signed, keys[0][1])


@pytest.mark.timeout(20)
def test_a_pipe_a_folder_or_a_giant_is_no_signature_and_no_key(signed, keys, tmp_path):
    _, ours, _ = keys[0]
    file = signed / SIGNATURE_FILE
    made = {'pipe': os.mkfifo, 'folder': os.mkdir, 'giant': lambda path: os.truncate(path, 2**33)}
    for kind, make in made.items():
        target = tmp_path / kind
        target.touch() if kind == 'giant' else None
        make(target)
        for name in (file, tmp_path / f'{kind}.link'):
            name.unlink(missing_ok=True)
            name.symlink_to(target)
        with pytest.raises(IlRosError, match=REFUSED):
            load(signed, ours)
        for use in (lambda p: load(signed, p), lambda p: sign_bundle(signed, '0' * 64, p)):
            with pytest.raises(IlRosError, match=REFUSED):
                use(target)
    with pytest.raises(IlRosError, match='cannot be read: No such file'):
        load(signed, tmp_path / 'none')


def test_only_an_ed25519_key_of_the_right_kind_is_taken(signed, keys, tmp_path):
    from cryptography.hazmat.primitives import serialization as ser
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    private, public, _ = keys[0]
    with pytest.raises(IlRosError, match='a private key; allowed: a public key: keep the private'):
        load(signed, private)
    with pytest.raises(IlRosError, match='others may read this private key'):
        sign_bundle(signed, '0' * 64, public)
    os.chmod(shutil.copy(public, tmp_path / 'public'), 0o600)
    with pytest.raises(IlRosError, match='no private key; allowed: an unencrypted Ed25519'):
        sign_bundle(signed, '0' * 64, tmp_path / 'public')
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / 'ec.pub').write_bytes(
        other.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(IlRosError, match='a key of another kind; allowed: an Ed25519 public key'):
        load(signed, tmp_path / 'ec.pub')
    secret = ed25519.Ed25519PrivateKey.generate().private_bytes(
        ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.BestAvailableEncryption(b'word')
    )
    (tmp_path / 'locked').write_bytes(secret)
    (tmp_path / 'locked').chmod(0o600)
    with pytest.raises(IlRosError, match='is encrypted; allowed: an unencrypted'):
        sign_bundle(signed, '0' * 64, tmp_path / 'locked')
    (tmp_path / 'noise').write_bytes(b'\x00' * 99)
    with pytest.raises(IlRosError, match='no public key'):
        load(signed, tmp_path / 'noise')


def test_a_new_private_key_is_its_owners_alone_and_replaces_nothing(tmp_path):
    private, public = tmp_path / 'new/key', tmp_path / 'new/key.pub'
    fingerprint = generate_keys(private, public)
    assert private.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch('[0-9a-f]{64}', fingerprint)
    for taken in ((private, tmp_path / 'x'), (tmp_path / 'x', public)):
        with pytest.raises(IlRosError, match='exists already'):
            generate_keys(*taken)
    assert not (tmp_path / 'x').exists()


def test_a_bundle_may_be_pinned_by_its_identity(whole):
    identity = load_bundle(whole).identity
    assert load(whole, identity=identity).identity == identity
    with pytest.raises(BundleError) as caught:
        load(whole, identity='0' * 64)
    assert str(caught.value) == (
        f'{whole}: bundle {identity}; allowed: {"0" * 64}; to fix: load that one, or change the '
        'parameter bundle_identity'
    )
    for wrong in (identity[:16], identity.upper(), 'any', f'{identity}\n'):
        with pytest.raises(IlRosError, match=r'bundle_identity: got .*; allowed: 64 hex digits'):
            BundleTrust(identity=wrong)


def test_where_signatures_cannot_be_verified_no_bundle_is_trusted(signed, keys):
    code = f"""
import sys
sys.modules['cryptography'] = None
from pathlib import Path
from il_ros.core.errors import IlRosError
from il_ros.policies.bundle import load_bundle
from il_ros.policies.bundle_signature import BundleTrust
load_bundle({str(signed)!r})
try:
    load_bundle({str(signed)!r}, trust=BundleTrust(keys=(Path({str(keys[0][1])!r}),)))
except IlRosError as problem:
    print(problem)
"""
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=root
    ).stdout
    assert said == (
        'signatures need cryptography; to fix: install python3-cryptography, or run make setup\n'
    )
