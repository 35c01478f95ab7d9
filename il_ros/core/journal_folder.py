"""Folders that keep what one run has done, so that it resumes where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from il_ros.core.atomic_files import sync, write_alone, write_atomic
from il_ros.core.config import read_json
from il_ros.core.errors import IlRosError, unwritable


class JournalFolder:
    """A folder whose content belongs to one run, and which one process writes at a time.

    A manifest next to the content holds the run's identity. Use it as a context manager; at its
    end another process may write.

    Args:
        folder: Where the journal is; made if it is not there.
        identity: What must be the same for a run to resume: name to plain JSON.
        anew: Empty the locked file and forget the identity instead of resuming.

    Attributes:
        folder: Where it is.

    Raises:
        IlRosError: If the content belongs to another run, or its manifest is missing, not
            understood or of another format; if another process writes to the folder; or if the
            folder cannot be written.
    """

    manifest: ClassVar[str]
    """File that holds format and identity."""

    format: ClassVar[int]
    """Format of the content."""

    locked: ClassVar[str]
    """File that the writing process locks."""

    content: ClassVar[str]
    """What is in it, in the plural: `episodes`."""

    run: ClassVar[str]
    """What it belongs to: `evaluation`."""

    fix: ClassVar[str]
    """What to do if the content is of another run."""

    error: ClassVar[type[IlRosError]] = IlRosError

    def __init__(self, folder: Path, identity: Mapping[str, Any], *, anew: bool = False) -> None:
        self.folder = folder
        path = folder / self.locked
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as problem:
            raise unwritable(path, problem) from None
        try:
            write_alone(self._file, str(folder))
            if anew:
                os.ftruncate(self._file, 0)
                (folder / self.manifest).unlink(missing_ok=True)
            self._claim(identity)
            self._open()
        except BaseException:
            os.close(self._file)
            raise

    def _open(self) -> None:
        """Read what is there, once the folder is known to belong to this run."""

    def _has_content(self) -> bool:
        """Whether there is anything that belongs to some run."""
        return bool(os.fstat(self._file).st_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    @classmethod
    def read_identity(cls, folder: Path, *, fix: str = 'check the path') -> dict[str, Any]:
        """The identity of the run that a folder belongs to.

        Args:
            folder: The folder.
            fix: What to do if it cannot be read.

        Raises:
            IlRosError: (as `error`) If its manifest cannot be read, or is of another format.
        """
        path = folder / cls.manifest
        data = read_json(path, cls.error, allowed=f'a folder of {cls.content}', fix=fix)
        identity = data.get('identity') if isinstance(data, dict) else None
        if not isinstance(identity, dict) or data.get('format') != cls.format:
            found = data.get('format') if isinstance(data, dict) else None
            raise cls.error(
                f'not understood: format {found}',
                where=str(path),
                allowed=f'format {cls.format} of this package',
                fix='finish with the version that began it, or choose another folder',
            )
        return identity

    def _claim(self, identity: Mapping[str, Any]) -> None:
        """Write down the identity, or see that it is the one that is there."""
        wanted = json.loads(json.dumps(dict(identity)))
        if (self.folder / self.manifest).exists():
            known = self.read_identity(self.folder, fix=self.fix)
            if known != wanted:
                raise self.error(
                    f'the {self.content} there are of another {self.run}: '
                    f'{_differences(known, wanted)}',
                    where=str(self.folder),
                    fix=self.fix,
                )
            return
        if self._has_content():
            raise self.error(
                f'{self.content} without {self.manifest}: it is not known what they are of',
                where=str(self.folder),
                fix=self.fix,
            )
        text = json.dumps({'format': self.format, 'identity': wanted}, indent=1)
        write_atomic(self.folder / self.manifest, f'{text}\n')
        sync(self.folder)


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """What two identities do not share, for a reader."""
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return ', '.join(
        f'{name} is {_shown(there.get(name))} there and {_shown(here.get(name))} here'
        for name in names
    )


def _shown(value: Any) -> Any:
    return 'none' if value in (None, '') else value
