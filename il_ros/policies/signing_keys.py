"""Ed25519 keys in PEM files, as `openssl genpkey -algorithm ed25519` writes them, too.

Needs the package `cryptography`; what may do without it imports this module only when it has to.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import IlRosError, reason, unwritable
from il_ros.core.regular_files import open_regular

LARGEST = 16_384
"""Most bytes of a file with a key or a signature; either has a few hundred."""


def generate_keys(private: Path, public: Path) -> str:
    """Write a new pair of keys, the private one for its owner alone.

    Returns:
        The fingerprint of the public key.

    Raises:
        IlRosError: If one of the files exists, or cannot be written.
    """
    for path in (private, public):
        if os.path.lexists(path):
            raise IlRosError('exists already', where=str(path), fix='choose another name')
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    opened = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    write_atomic(public, opened)  # first: alone it is of no use to anyone
    try:
        _write_secret(private, secret)
    except (IlRosError, OSError):
        public.unlink(missing_ok=True)
        raise
    return fingerprint(key.public_key())


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read the key to sign with.

    Raises:
        IlRosError: If it is no unencrypted Ed25519 key, or others than its owner may read it.
    """
    content, mode = read_small_file(path)
    if mode & 0o077:
        raise IlRosError(
            f'mode {mode:o}: others may read this private key',
            where=str(path),
            allowed='a file that only its owner may read',
            fix=f'run chmod 600 {path}, or make another key if it was seen',
        )
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, UnsupportedAlgorithm, TypeError) as problem:
        text = 'is encrypted' if isinstance(problem, TypeError) else 'no private key'
        raise _no_key(path, text, 'an unencrypted Ed25519 private key in PEM') from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, 'a key of another kind', 'an Ed25519 private key')
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a key to verify with.

    Raises:
        IlRosError: If it is no Ed25519 public key; also if it is a private one, which does not
            belong on a robot.
    """
    content, _ = read_small_file(path)
    if b'PRIVATE KEY' in content:
        raise _no_key(path, 'a private key', 'a public key: keep the private one off the robot')
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise _no_key(path, 'no public key', 'an Ed25519 public key in PEM') from None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, 'a key of another kind', 'an Ed25519 public key')
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 over the 32 bytes of a public key (hex)."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def fits(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether the owner of this key signed the message."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def read_small_file(path: Path) -> tuple[bytes, int]:
    """Content and permission bits of a regular file of at most `LARGEST` bytes.

    Raises:
        IlRosError: If it is none; a pipe or a device is not waited for.
    """
    try:
        with open_regular(path, LARGEST) as file:
            return file.read(LARGEST), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as problem:
        raise IlRosError(
            f'cannot be read: {reason(problem)}', where=str(path), fix='check the path'
        ) from None


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that is its owner's alone from the beginning."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb') as file:
            file.write(content)
    except OSError as problem:
        raise unwritable(path, problem) from None


def _no_key(path: Path, problem: str, allowed: str) -> IlRosError:
    return IlRosError(
        problem, where=str(path), allowed=allowed, fix='make a pair by "il_ros bundle keygen"'
    )
