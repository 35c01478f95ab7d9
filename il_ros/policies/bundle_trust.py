"""Which bundles a robot takes: one of a given identity, or one that somebody it trusts signed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from il_ros.core.errors import BundleError, IlRosError
from il_ros.policies.bundle_signature import require_signed

_IDENTITY = re.compile('[0-9a-f]{64}')


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
