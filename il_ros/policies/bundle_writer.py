"""Bundles written: whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import safetensors.numpy

from il_ros.core.atomic_files import write_atomic
from il_ros.core.atomic_folders import new_folder
from il_ros.core.errors import BundleError
from il_ros.monitors.conformal_thresholds import CalibrationRecord
from il_ros.policies.bundle import (
    CALIBRATION_FILE,
    FORMAT,
    INFO_FILE,
    POLICY_FILE,
    Bundle,
    BundleInfo,
    FileEntry,
    read_info,
)


def save_bundle(bundle: Bundle, path: Path, *, overwrite: bool = False) -> None:
    """Write a bundle's folder, whole or not at all.

    Raises:
        BundleError: If `path` exists and may not be replaced, or cannot be written.
    """
    contents = {POLICY_FILE: safetensors.numpy.save(dict(bundle.policy.arrays()))}
    if bundle.scores is not None:
        contents[CALIBRATION_FILE] = safetensors.numpy.save(bundle.scores.arrays())
    files = {
        name: FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in contents.items()
    }
    with new_folder(path, overwrite=overwrite, marker=INFO_FILE, error=BundleError) as folder:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        (folder / INFO_FILE).write_text(_dump(_info(bundle, files)), encoding='utf-8')


def save_threshold(path: Path, bundle: Bundle, limit: CalibrationRecord) -> None:
    """Replace the thresholds in the bundle's folder at `path`; nothing else changes."""
    info = read_info(path)
    info = _info(replace(bundle, threshold=limit), info.files)
    write_atomic(path / INFO_FILE, _dump(info))


def _info(bundle: Bundle, files: Mapping[str, FileEntry]) -> BundleInfo:
    return BundleInfo(
        format=FORMAT,
        policy_id=bundle.policy_id,
        policy=bundle.policy.kind,
        config=bundle.policy.config(),
        contract=bundle.contract.text,
        contract_hash=bundle.contract.hash,
        training=bundle.training,
        channels=bundle.scores.specs if bundle.scores else (),
        horizon=bundle.scores.horizon if bundle.scores else 0,
        calibration=bundle.threshold,
        files=files,
    )


def _dump(info: BundleInfo) -> str:
    return json.dumps(dataclasses.asdict(info), indent=1, ensure_ascii=False, default=str) + '\n'
