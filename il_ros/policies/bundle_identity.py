"""The identity of a bundle: one hash over all that makes it act and be watched as it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

KEY = 'identity'
"""Where `bundle.json` states it."""


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
