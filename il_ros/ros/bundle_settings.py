"""Parameters that say which bundles a node loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from il_ros.core.errors import IlRosError
from il_ros.policies.bundle_signature import BundleTrust
from il_ros.ros.node_parameters import setting


@dataclass(frozen=True, kw_only=True)
class BundleSettings:
    """Parameters of a node that loads bundles."""

    bundle_identity: str = setting(
        '', "The one bundle that is loaded, by the identity that 'il_ros bundle info' shows; "
        'empty for any.'
    )  # fmt: skip
    trusted_keys: tuple[str, ...] = setting(
        ('',), 'Files of public keys, one of which has to have signed a bundle; empty for any '
        'bundle, signed or not.'
    )  # fmt: skip

    @property
    def trust(self) -> BundleTrust:
        """What a bundle has to be to be loaded.

        Raises:
            IlRosError: If a key has no name, which a launch file's empty variable gives.
        """
        keys = () if self.trusted_keys == ('',) else self.trusted_keys
        if '' in keys:
            raise IlRosError('an empty name', where='trusted_keys', allowed='files of public keys')
        return BundleTrust(identity=self.bundle_identity, keys=tuple(map(Path, keys)))

    @property
    def taken(self) -> str:
        """Which bundles are loaded, for people."""
        trust = self.trust
        some = f'signed by one of {len(trust.keys)} keys' if trust.keys else 'any'
        return f'{some}, {trust.identity} alone' if trust.identity else some
