"""Rerun recordings (.rrd): numbers, poses, images and texts on the time line and by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.atomic_files import write_atomic
from il_ros.core.errors import IlRosError
from il_ros.core.limits import Array

if TYPE_CHECKING:
    import rerun as rr


TIME, FRAME = 'time', 'frame'
"""Names of the two time lines: stamps [ns since the epoch], and number of the frame."""

_MEDIA = {b'\xff\xd8': 'image/jpeg', b'\x89P': 'image/png'}


@dataclass(frozen=True, kw_only=True)
class RowTimes:
    """When the rows of an entity were.

    Attributes:
        stamp: Time of each row [ns], int64 of shape (R,).
        frame: Number of the frame that it belongs to, int64 of shape (R,).
    """

    stamp: NDArray[np.int64]
    frame: NDArray[np.int64]

    def take(self, rows: NDArray[Any]) -> RowTimes:
        """The moments at `rows`."""
        return RowTimes(stamp=self.stamp[rows], frame=self.frame[rows])


class RerunFile:
    """Writes one recording; use it as a context manager. The file appears when it is whole.

    Contents are the same for the same episode; rerun gives rows and the blueprint random ids.

    Args:
        path: The file; what was there is replaced.
        recording_id: The same for the same episode, so that a viewer replaces what it shows.

    Raises:
        IlRosError: If rerun-sdk is not installed, or the file cannot be written.
    """

    def __init__(self, path: Path, recording_id: str) -> None:
        self._rr = require_rerun()
        self.path, self._id = path, recording_id
        self.entities: dict[str, int] = {}

    def __enter__(self) -> RerunFile:
        self._recording = self._rr.RecordingStream(
            'il_ros', recording_id=self._id, send_properties=False
        )
        # In memory first: rerun's own thread for files waits for ever on a full disk.
        self._memory = self._recording.memory_recording()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._recording.flush()
        if kind is None:
            write_atomic(self.path, self._memory.drain_as_bytes())
        self._recording.disconnect()

    def numbers(
        self,
        entity: str,
        moments: RowTimes,
        values: Array,
        names: Sequence[str],
        colours: Sequence[tuple[int, int, int]] | None = None,
    ) -> None:
        """Lines of a plot: values of shape (R, S), a name for each of S lines; NaN is a gap."""
        columns = self._rr.Scalars.columns(scalars=np.asarray(values, dtype=np.float64))
        self._send(entity, moments, columns)
        self._log(entity, self._rr.SeriesLines(names=list(names), colors=colours))

    def positions(
        self, entity: str, moments: RowTimes, positions: Array, quaternions: Array | None
    ) -> None:
        """Something that moves: positions (R, 3) [m], turns (R, 4) as x, y, z, w; and its path.

        Rows that are not finite are left out.
        """
        known = np.isfinite(positions).all(axis=1)
        if quaternions is not None:
            known &= np.isfinite(quaternions).all(axis=1)
        rows = np.flatnonzero(known)
        if not len(rows):
            return
        turns = None if quaternions is None else quaternions[rows]
        columns = self._rr.Transform3D.columns(translation=positions[rows], quaternion=turns)
        self._send(entity, moments.take(rows), columns)
        self._log(entity, self._rr.TransformAxes3D(0.05))
        self._log(entity, self._rr.Points3D([[0.0, 0.0, 0.0]], radii=0.008, labels=[_last(entity)]))
        self._log(f'{entity}_path', self._rr.LineStrips3D([positions[rows]], radii=0.0015))

    def box(self, entity: str, low: Sequence[float], high: Sequence[float]) -> None:
        """A box that does not move, from corner to corner [m]."""
        centre, half = (np.add(low, high) / 2, np.subtract(high, low) / 2)
        self._log(entity, self._rr.Boxes3D(centers=[centre], half_sizes=[half]))

    def images(
        self, entity: str, moments: RowTimes, blobs: Sequence[bytes], *, depth: bool = False
    ) -> None:
        """Encoded images as they are; depth is PNG in mm. Empty ones are left out."""
        rows = np.flatnonzero([bool(blob) for blob in blobs])
        if not len(rows):
            return
        chosen = [blobs[i] for i in rows]
        media = [_MEDIA.get(blob[:2], 'application/octet-stream') for blob in chosen]
        if depth:
            columns = self._rr.EncodedDepthImage.columns(
                blob=chosen, media_type=media, meter=[1000.0] * len(chosen)
            )
        else:
            columns = self._rr.EncodedImage.columns(blob=chosen, media_type=media)
        self._send(entity, moments.take(rows), columns)

    def texts(
        self, entity: str, moments: RowTimes, texts: Sequence[str], levels: Sequence[str]
    ) -> None:
        """Lines of a log, each with its level: INFO, WARN or ERROR."""
        if texts:
            columns = self._rr.TextLog.columns(text=list(texts), level=list(levels))
            self._send(entity, moments, columns)

    def states(self, entity: str, moments: RowTimes, states: Sequence[str]) -> None:
        """A lane of states; of equal ones in a row only the first is written."""
        changed = [i for i, state in enumerate(states) if not i or states[i - 1] != state]
        if changed:
            columns = self._rr.StateChange.columns(state=[states[i] for i in changed])
            self._send(entity, moments.take(np.array(changed)), columns)

    def about(self, entity: str, lines: Mapping[str, object]) -> None:
        """A table of facts about the episode."""
        rows = [f'{name}: {value}' for name, value in lines.items() if value not in (None, '')]
        self._log(entity, self._rr.TextDocument('\n'.join(rows)))

    def blueprint(self, blueprint: Any) -> None:
        """How a viewer lays it out when it is opened."""
        self._recording.send_blueprint(blueprint)

    def _send(self, entity: str, moments: RowTimes, columns: Any) -> None:
        if not len(moments.stamp):
            return
        times = [
            self._rr.TimeColumn(TIME, timestamp=moments.stamp.astype('datetime64[ns]')),
            self._rr.TimeColumn(FRAME, sequence=moments.frame),
        ]
        self._recording.send_columns(entity, times, columns, strict=True)
        self.entities[entity] = self.entities.get(entity, 0) + len(moments.stamp)

    def _log(self, entity: str, what: rr.AsComponents) -> None:
        self._recording.log(entity, what, static=True, strict=True)
        self.entities.setdefault(entity, 0)


def require_rerun() -> Any:
    """The module of rerun-sdk.

    Raises:
        IlRosError: Naming the extra to install.
    """
    try:
        import rerun
    except ModuleNotFoundError:
        raise IlRosError(
            'rerun-sdk is not installed', where='il_ros view', fix='pip install il_ros[view]'
        ) from None
    return rerun


def entity(*parts: str) -> str:
    """An entity's path, whatever characters a key or a joint has in its name."""
    escape = require_rerun().escape_entity_path_part
    return '/'.join(escape(part) for part in parts)


def _last(entity: str) -> str:
    return entity.rsplit('/', 1)[-1]
