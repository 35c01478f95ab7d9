"""A bundle: a trained policy and all that belongs to it, in one folder, with nothing pickled."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.config import parse
from il_ros.core.contract import Contract, parse_contract, require_same
from il_ros.core.documents import load_json
from il_ros.core.errors import BundleError, IlRosError, UnknownNameError, reason, require
from il_ros.core.registry import lookup
from il_ros.core.regular_files import read_text
from il_ros.monitors.calibrated_scores import Calibration, FittedScores
from il_ros.monitors.conformal_thresholds import CalibrationRecord
from il_ros.policies.array_files import damaged, read_arrays
from il_ros.policies.bundle_signature import KEY, BundleTrust, identity_of
from il_ros.policies.policy import POLICIES, Policy, hash_arrays
from il_ros.policies.score_inputs import ScoreInputs
from il_ros.policies.watch_rehearsal import require_watchful, zero_input

FORMAT = 5
CONVERTIBLE = (2, 3, 4)
"""Formats that `il_ros migrate` converts."""

INFO_LIMIT = 1 << 20
"""Bytes of the largest description of a bundle: of some ten thousand episodes."""

INFO_FILE = 'bundle.json'
POLICY_FILE = 'policy.safetensors'
CALIBRATION_FILE = 'calibration.safetensors'

_ID = 16  # hex digits of a policy's identity
_CHANGED = 'it was changed by hand: train or calibrate again'

Arrays = Mapping[str, NDArray[np.generic]]


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a policy depends on."""
    found = {'python': platform.python_version()}
    for name in ('il_ros', 'numpy', 'torch', 'safetensors'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a policy came about.

    Attributes:
        algorithm: Name of the algorithm.
        config: Its configuration, as plain JSON.
        metrics: Losses, epochs, frames, seconds.
        data_hash: Hash of the dataset (hex).
        episodes: Ids of the episodes that were trained on.
        seeds: Their seeds, where they have any.
        held_out: Ids of the episodes of the dataset that were not.
        created: When (ISO 8601, UTC).
        versions: Versions of what it was made with, by name.
    """

    algorithm: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    data_hash: str
    episodes: tuple[str, ...]
    seeds: tuple[int, ...]
    held_out: tuple[str, ...]
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec='seconds'))
    versions: Mapping[str, str] = field(default_factory=versions)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A policy, the contract it was trained under, and what the monitor knows about it.

    Attributes:
        policy: The policy, ready to act.
        training: How it came about.
        scores: Scores fitted to its training frames; none if it cannot be watched.
        threshold: Where these are out of distribution; none as long as they are not calibrated.
        identity: SHA-256 over all of it (hex), where it was loaded; empty for one that was not, or
            that was changed since.
    """

    policy: Policy
    training: Training
    scores: FittedScores | None = None
    threshold: CalibrationRecord | None = None
    identity: str = field(init=False, default='', compare=False)

    @property
    def contract(self) -> Contract:
        """The contract that the policy was trained under."""
        return self.policy.contract

    @cached_property
    def policy_id(self) -> str:
        """Identity of the policy: the first 16 digits of `policy_hash`."""
        return self.policy_hash[:_ID]

    @cached_property
    def policy_hash(self) -> str:
        """SHA-256 over weights, configuration and contract of the policy (hex)."""
        return _hash_policy(self.policy)

    @cached_property
    def calibration(self) -> Calibration | None:
        """Scores and thresholds for a monitor; none as long as there are no thresholds."""
        if self.scores is None or self.threshold is None:
            return None
        return Calibration(
            bank=self.scores.bank(self.threshold.window),
            thresholds=self.threshold.thresholds,
            longest=self.threshold.longest,
            policy_id=self.threshold.policy_id,
        )

    @cached_property
    def score_inputs(self) -> ScoreInputs | None:
        """What makes the inputs of the scores; none without scores."""
        return ScoreInputs.of_scores(self.policy, self.scores) if self.scores else None


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """Size [bytes] and SHA-256 (hex) of one of the bundle's files."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class BundleInfo:
    """What `bundle.json` holds."""

    format: int
    policy_id: str
    policy: str
    config: Mapping[str, Any]
    contract: str
    contract_hash: str
    training: Training
    channels: tuple[tuple[str, ...], ...]
    horizon: int
    calibration: CalibrationRecord | None
    files: Mapping[str, FileEntry]
    identity: str


def load_bundle(
    path: str | Path,
    contract: Contract | None = None,
    device: str = 'cpu',
    trust: BundleTrust | None = None,
) -> Bundle:
    """Read a bundle and check that all of it is there and belongs together.

    Args:
        contract: The contract in use; none to take the bundle's own.
        device: `cpu`, `cuda`, or `auto` for cuda where there is one.
        trust: What it has to be; asked before anything but `bundle.json` is read.

    Raises:
        BundleError: If it is no bundle, a file is missing, cut, changed or too large (`INFO_LIMIT`,
            `array_files.LIMIT`), no model comes of it, or it is not trusted.
        ContractError: If it was made for another contract.
        UnknownNameError: If its policy or score is of a kind that is not known.
    """
    path = Path(path)
    info = read_info(path)
    if trust is not None:
        trust.require(path, info.identity)
    made_for = parse_contract(info.contract, source=str(path / INFO_FILE))
    if info.contract_hash != made_for.hash:
        raise BundleError(
            f'contract_hash {info.contract_hash}, its contract has {made_for.hash}',
            where=str(path / INFO_FILE),
            fix=_CHANGED,
        )
    if contract is not None:
        require_same(contract, made_for, where=str(path))
    policy_class = _policy_class(info.policy, path)
    policy = policy_class.load(made_for, info.config, _read(path, POLICY_FILE, info), device)
    scores = _load_scores(path, info, made_for) if info.channels else None
    bundle = Bundle(
        policy=policy, training=info.training, scores=scores, threshold=info.calibration
    )
    found = {info.policy_id, *([info.calibration.policy_id] if info.calibration else [])}
    if found != {bundle.policy_id}:
        raise BundleError(
            f'policy {bundle.policy_id}, but it says {", ".join(sorted(found))}',
            where=str(path / INFO_FILE),
            fix=_CHANGED,
        )
    _require_whole(bundle, path / INFO_FILE)
    object.__setattr__(bundle, 'identity', info.identity)  # of what is stored, so not an argument
    return bundle


def policy_identity(policy: Policy) -> str:
    """16 hex digits over weights, configuration and contract of a policy."""
    return _hash_policy(policy)[:_ID]


def _hash_policy(policy: Policy) -> str:
    config = json.dumps(policy.config(), sort_keys=True)
    arrays = sorted(policy.arrays().items())
    return hash_arrays(arrays, policy.kind, config, policy.contract.hash)


def read_info(path: Path) -> BundleInfo:
    """What the `bundle.json` of the bundle at `path` says.

    Raises:
        BundleError: If there is none, or it is damaged or of another format.
    """
    file = path / INFO_FILE
    try:
        data = load_json(read_text(file, INFO_LIMIT), valid_text=True)
    except FileNotFoundError:
        raise BundleError(
            f'no {INFO_FILE} in it' if path.is_dir() else 'no such folder',
            where=str(path),
            allowed='the folder of a bundle',
            fix='make one by "il_ros train bc"',
        ) from None
    except OSError as problem:
        raise BundleError(
            f'cannot be read: {reason(problem)}', where=str(file), allowed='the folder of a bundle'
        ) from None
    except ValueError as problem:
        raise damaged(file, f'damaged: {problem}') from None
    found = data.get('format') if isinstance(data, dict) else None
    if found != FORMAT:
        fix = 'train the policy again'
        if found in CONVERTIBLE:
            fix = f'run il_ros migrate {path}'
        elif isinstance(found, int) and found > FORMAT:
            fix = 'update il_ros on this machine: a newer version wrote it'
        raise BundleError(f'format {found}', where=str(file), allowed=str(FORMAT), fix=fix)
    info = parse(BundleInfo, data, where=str(file), error=BundleError)
    try:
        content = identity_of(data)
    except (ValueError, RecursionError) as problem:
        raise damaged(file, f'damaged: {problem}') from None
    if content != info.identity:
        raise BundleError(
            f'{KEY} {info.identity[:16]}, its content has {content[:16]}',
            where=str(file),
            fix=_CHANGED,
        )
    return info


def _read(path: Path, name: str, info: BundleInfo) -> Arrays:
    expected = info.files.get(name)
    if expected is None:
        raise damaged(path / name, 'missing')
    return read_arrays(path / name, bytes=expected.bytes, sha256=expected.sha256)


def _load_scores(path: Path, info: BundleInfo, contract: Contract) -> FittedScores:
    arrays = _read(path, CALIBRATION_FILE, info)
    try:
        return FittedScores.from_arrays(contract, info.channels, info.horizon, arrays)
    except IlRosError as problem:
        raise type(problem)(
            f'{problem.where}: {problem.problem}' if problem.where else problem.problem,
            where=str(path),
            allowed=problem.allowed,
            fix=problem.fix or 'train the policy again',
        ) from None


def _require_whole(bundle: Bundle, file: Path) -> None:
    """What does not fit together is found now, not when the robot is to move."""
    try:
        require(bundle.scores or not bundle.threshold, 'thresholds', 'scores', 'scores for them')
        _ = bundle.calibration
        if bundle.threshold is not None:
            bundle.threshold.require_calibrated()
        _rehearse(bundle)
    except (IlRosError, ValueError, IndexError) as problem:
        raise BundleError(
            f'calibration: {problem}', where=str(file), fix='calibrate the policy again'
        ) from None


def _rehearse(bundle: Bundle) -> None:
    """Let the scores see one frame of zeros, and what is far from everything."""
    if bundle.scores is None or bundle.score_inputs is None:
        return
    bank = bundle.scores.bank()
    bank.read(zero_input(bundle.scores, bundle.score_inputs))
    bank.reset()
    if bundle.calibration is not None:
        require_watchful(bundle.scores, bundle.calibration, bundle.score_inputs)


def _policy_class(name: str, path: Path) -> type[Policy]:
    try:
        found: type[Policy] = lookup('policy', name, POLICIES)
    except UnknownNameError as problem:
        raise UnknownNameError(
            problem.problem,
            where=str(path / INFO_FILE),
            allowed=problem.allowed,
            fix=problem.fix,
        ) from None
    except ImportError as problem:
        raise IlRosError(
            f'policy {name!r} needs {problem.name}', where=str(path), fix='install it'
        ) from None
    return found
