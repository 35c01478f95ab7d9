"""The identity of a bundle, its signature (Ed25519, RFC 8032), and which ones a robot takes.

The identity is one hash over all that makes a bundle act and be watched as it does. What is signed,
in a file of its own, is the identity, and with it all that the identity covers. `cryptography` is
imported only where something is signed or verified.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from il_ros.core.atomic_files import write_atomic
from il_ros.core.config import parse
from il_ros.core.documents import load_json
from il_ros.core.errors import BundleError, IlRosError

KEY = 'identity'
"""Where `bundle.json` states it."""

SIGNATURE_FILE = 'signature.json'

_IDENTITY = re.compile('[0-9a-f]{64}')
_PURPOSE = b'il_ros bundle 1\n'  # so that a signature of something else never fits
_FIX = 'run "il_ros bundle sign" where the private key is'


def identity_of(description: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the content of a `bundle.json`, its own statement of it left out.

    The description holds the hashes of the files with weights and scores, the thresholds, the
    contract and the record of the training, so that the identity covers them all. It is over the
    values: the order of keys and the layout of the text play no part.

    Args:
        description: What the JSON file holds.
    """
    content = {key: value for key, value in description.items() if key != KEY}
    text = json.dumps(content, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(text.encode('ascii')).hexdigest()


def with_identity(description: Mapping[str, Any]) -> dict[str, Any]:
    """The same description with the identity that it has now."""
    return {**description, KEY: identity_of(description)}


@dataclass(frozen=True, kw_only=True)
class BundleSignature:
    """What `signature.json` holds.

    Attributes:
        format: Version of this file.
        algorithm: How it was signed.
        identity: Identity of the bundle that was signed (hex).
        key: Fingerprint of the public key that verifies it: SHA-256 over its 32 bytes (hex).
        signature: The signature (hex).
    """

    format: Literal[1]
    algorithm: Literal['Ed25519']
    identity: str
    key: str
    signature: str


def sign_bundle(path: Path, identity: str, private_key: Path) -> BundleSignature:
    """Sign a bundle: write its signature into its folder; an earlier one is replaced.

    Args:
        path: The bundle's folder.
        identity: Identity of the bundle, as it was loaded and checked (hex).
        private_key: PEM file.

    Raises:
        IlRosError: If the key cannot be used, or the file not be written.
    """
    keys = key_files()
    key = keys.read_private_key(private_key)
    signed = BundleSignature(
        format=1,
        algorithm='Ed25519',
        identity=identity,
        key=keys.fingerprint(key.public_key()),
        signature=key.sign(_message(identity)).hex(),
    )
    write_atomic(path / SIGNATURE_FILE, json.dumps(asdict(signed), indent=1) + '\n')
    return signed


def require_signed(path: Path, identity: str, public_keys: Iterable[Path]) -> str:
    """Refuse a bundle that the owner of none of these keys has signed as it is.

    Args:
        path: The bundle's folder.
        identity: The identity that it has (hex).
        public_keys: PEM files; one that cannot be read is an error even if another would do.

    Returns:
        The fingerprint of the key.

    Raises:
        BundleError: If it is not signed, was changed since, or was signed with another key.
        IlRosError: If a key cannot be used.
    """
    keys = key_files()
    trusted = {keys.fingerprint(key): key for key in map(keys.read_public_key, public_keys)}
    signed = read_signature(path)
    file = str(path / SIGNATURE_FILE)
    if signed is None:
        raise BundleError('is not signed', where=str(path), fix=_FIX)
    if signed.identity != identity:
        raise BundleError(
            f'signed as {signed.identity[:16]}, it is {identity[:16]} now',
            where=file,
            fix=f'see what changed, then {_FIX}',
        )
    key = trusted.get(signed.key)
    if key is None:
        raise BundleError(
            f'signed with key {signed.key[:16]}',
            where=file,
            allowed=', '.join(each[:16] for each in trusted) or 'no key at all',
            fix='trust that key, or sign with one of these',
        )
    try:
        signature = bytes.fromhex(signed.signature)
    except ValueError:
        signature = b''
    if not keys.fits(key, signature, _message(identity)):
        raise BundleError(f'the signature is not of key {signed.key[:16]}', where=file, fix=_FIX)
    return signed.key


def read_signature(path: Path) -> BundleSignature | None:
    """What a bundle's signature file says, which nothing has verified; None without one.

    Raises:
        BundleError: If it is no such file.
    """
    file = path / SIGNATURE_FILE
    if not file.exists():
        return None
    content, _ = key_files().read_small_file(file)
    try:
        data = load_json(content.decode())
    except (ValueError, RecursionError):
        raise BundleError('no signature', where=str(file), fix=_FIX) from None
    return parse(BundleSignature, data, where=str(file), error=BundleError)


@dataclass(frozen=True, kw_only=True)
class BundleTrust:
    """What a bundle has to be before more of it is read than its description.

    Attributes:
        identity: The one identity that is taken (64 hex digits); empty for any.
        keys: Public keys, PEM files, one of which has to have signed it; none for no matter who.

    Raises:
        IlRosError: If the identity is no such number.
    """

    identity: str = ''
    keys: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.identity and not _IDENTITY.fullmatch(self.identity):
            raise IlRosError(
                f'got {self.identity!r}',
                where='bundle_identity',
                allowed='64 hex digits, or nothing for any bundle',
                fix='take what "il_ros bundle info" shows',
            )

    def require(self, path: Path, identity: str) -> None:
        """Refuse a bundle that is another one, or that nobody here trusts.

        Args:
            path: Its folder.
            identity: The identity that its description has.

        Raises:
            BundleError: If it is another one, not signed, or not by one of the keys.
            IlRosError: If a key cannot be read, or signatures cannot be verified here.
        """
        if self.identity and identity != self.identity:
            raise BundleError(
                f'bundle {identity}',
                where=str(path),
                allowed=self.identity,
                fix='load that one, or change the parameter bundle_identity',
            )
        if self.keys:
            require_signed(path, identity, self.keys)


def _message(identity: str) -> bytes:
    return _PURPOSE + identity.encode()


def key_files() -> ModuleType:
    """The module that reads and makes keys.

    Raises:
        IlRosError: If `cryptography` is not installed.
    """
    try:
        from il_ros.policies import signing_keys
    except ImportError:
        raise IlRosError(
            'signatures need cryptography',
            fix='install python3-cryptography, or run make setup',
        ) from None
    return signing_keys
