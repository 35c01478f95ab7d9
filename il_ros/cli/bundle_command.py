"""``il_ros bundle``: shows what a bundle is, signs it, and says whether a signature is right."""

from __future__ import annotations

from pathlib import Path

import tyro
from rich.table import Column, Table

from il_ros.cli.printing import Console, cell, say
from il_ros.policies.bundle import Bundle, load_bundle
from il_ros.policies.bundle_signature import BundleTrust, key_files, read_signature, sign_bundle


def info(bundle: tyro.conf.Positional[Path]) -> int:
    """Show what a bundle is: its identity, policy, contract, training, calibration and signature.

    Everything in it is checked, but for the signature: that takes a key, see verify.

    Args:
        bundle: The bundle's folder.
    """
    loaded = load_bundle(bundle)
    say(f'bundle {loaded.identity}')  # on a line of its own, to be copied
    table = Table('folder', Column(cell(bundle)))
    for name, text in _facts(loaded, bundle).items():
        table.add_row(name, cell(text))
    Console().print(table)
    return 0


def sign(bundle: tyro.conf.Positional[Path], *, key: Path) -> int:
    """Sign a bundle as it is now: weights, scores, thresholds, contract and training record.

    Needs the package cryptography. Calibrating the bundle again makes the signature void.

    Args:
        bundle: The bundle's folder; a signature that is there is replaced.
        key: File of the private key.
    """
    loaded = load_bundle(bundle)
    signed = sign_bundle(bundle, loaded.identity, key)
    say(f'bundle {loaded.identity}\nsigned with key {signed.key}')
    return 0


def verify(
    bundle: tyro.conf.Positional[Path], *, keys: tuple[Path, ...] = (), identity: str = ''
) -> int:
    """Say whether a bundle is whole and, with --keys, whether the owner of one of them signed it.

    The exit code is 2 where it is not.

    Args:
        bundle: The bundle's folder.
        keys: Files of public keys, as in the nodes' parameter trusted_keys.
        identity: The identity that it has to have, as in the parameter bundle_identity.
    """
    loaded = load_bundle(bundle, trust=BundleTrust(identity=identity, keys=keys))
    say(f'bundle {loaded.identity}\nwhole: policy {loaded.policy_id}')
    signed = read_signature(bundle)
    if keys and signed is not None:
        say(f'signed with key {signed.key}')
    elif signed is not None:
        say(f'signed with key {signed.key}, not verified: give its file with --keys')
    else:
        say('not signed')
    return 0


def keygen(private: tyro.conf.Positional[Path], public: Path | None = None) -> int:
    """Make a pair of keys: the private one signs and stays with you, the public one verifies.

    Args:
        private: New file of the private key (PEM), which only you may read.
        public: New file of the public key, for robots; by default the same name with .pub.
    """
    public = public or private.with_name(private.name + '.pub')
    key = key_files().generate_keys(private, public)
    say(f'private key: {private}\npublic key: {public}\nfingerprint {key}')
    return 0


def _facts(bundle: Bundle, path: Path) -> dict[str, str]:
    training, limit, contract = bundle.training, bundle.threshold, bundle.contract
    scores = bundle.scores.bank().names if bundle.scores else ()
    facts = {
        'policy': f'{bundle.policy.kind} {bundle.policy_id}',
        'contract': f'{contract.name} {contract.hash[:16]}',
        'trained': f'{training.algorithm}, {training.created}',
        'on': f'{len(training.episodes)} episodes, data {training.data_hash[:16]}',
        'scores': ', '.join(scores) or 'none',
        'calibrated': 'no',
        'signature': _signature(bundle, path),
    }
    if limit is not None:
        facts['calibrated'] = (
            f'on {len(limit.episodes)} {limit.source}: alpha {limit.alpha:g}, stop '
            f'{limit.stop:.4g}, warn {limit.warn:.3g} of it, window {limit.window} ticks'
            f'{", data " + limit.data_hash[:16] if limit.data_hash else ""}'
        )
    return facts


def _signature(bundle: Bundle, path: Path) -> str:
    signed = read_signature(path)
    if signed is None:
        return 'none'
    if signed.identity != bundle.identity:
        return f'void: of bundle {signed.identity[:16]}'
    return f'of key {signed.key[:16]}, not verified here'
