"""Images on their way into and out of other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError, IlRosError
from il_ros.core.images import decode, encode
from il_ros.core.streams import ImageStream

_MAGIC = (b'\xff\xd8', b'\x89PNG')  # how a JPEG and a PNG begin


def blank(stream: ImageStream) -> bytes:
    """A black image (PNG) in the place of a missing one; `valid` says so."""
    shape = (*stream.size, 3) if stream.encoding == 'rgb8' else stream.size
    return encode(np.zeros(shape, np.uint16 if stream.encoding == '16UC1' else np.uint8), 'png')


def encoded_as(stream: ImageStream, pixels: NDArray[Any], *, swap: bool = False) -> bytes:
    """Pixels as a dataset keeps them: JPEG where the contract records JPEG, else PNG.

    Args:
        stream: What the contract says of them.
        pixels: Shape (H, W, 3) of a colour image, else (H, W) or (H, W, 1).
        swap: Whether red and blue are the other way round.
    """
    colours = stream.encoding == 'rgb8'
    if not colours:
        pixels = pixels.reshape(pixels.shape[:2])
    jpeg = stream.record == 'jpeg' and stream.encoding != '16UC1'
    chosen = pixels[..., ::-1] if swap and colours else pixels
    return encode(np.ascontiguousarray(chosen), 'jpeg' if jpeg else 'png', stream.quality)


def kept_image(stream: ImageStream, blob: bytes, where: Path, *, swap: bool = False) -> bytes:
    """An encoded image as it is if it is JPEG or PNG, else as PNG, once its size is right.

    Args:
        stream: What the contract says of it.
        blob: The image.
        where: Names it in errors.
        swap: Whether red and blue are the other way round; it is then encoded again.

    Raises:
        DatasetError: If it is damaged or of another size than the contract's.
    """
    try:
        pixels = decode(blob, stream.encoding)
    except IlRosError as problem:
        raise DatasetError(problem.problem, where=str(where), fix='get it again') from None
    require_size(stream, pixels.shape[:2], where)
    if swap and stream.encoding == 'rgb8':
        return encoded_as(stream, pixels, swap=True)
    return blob if blob.startswith(_MAGIC) else encode(pixels, 'png')


def require_size(stream: ImageStream, size: tuple[int, ...], where: Path) -> None:
    """Refuse an image of another height and width than the contract's.

    Raises:
        DatasetError: If it is of another.
    """
    if size != tuple(stream.size):
        raise DatasetError(
            f'an image of {" x ".join(map(str, size))}',
            where=str(where),
            allowed=f'{stream.size[0]} x {stream.size[1]}, as the contract has it',
            fix='set size in the contract to what the dataset holds',
        )
