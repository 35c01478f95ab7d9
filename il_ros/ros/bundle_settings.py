"""Parameters that say which bundles a node loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from il_ros.policies.bundle_trust import BundleTrust
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
        """What a bundle has to be to be loaded."""
        keys = tuple(Path(key) for key in self.trusted_keys if key)
        return BundleTrust(identity=self.bundle_identity, keys=keys)
