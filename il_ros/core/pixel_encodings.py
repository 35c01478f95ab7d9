"""How cameras lay out the pixels of a sensor_msgs/Image, and what becomes of them.

The names are those of `sensor_msgs/image_encodings.hpp`. OpenCV converts, as cv_bridge does: the
YUV formats are ITU-R BT.601 with a luma of 16 to 235, and 16 bits become 8 by the same share of
the range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.registry import lookup, names_of

Pixels = NDArray[Any]
Conversion = Callable[[Pixels], Pixels]


@dataclass(frozen=True, kw_only=True)
class PixelEncoding:
    """One encoding of raw images.

    Attributes:
        kind: Of each number: `u1`, `u2` or `f4`, as numpy has it, without the byte order.
        to: How pixels become those of an `encoding` of the contract; what is not there cannot be
            made of them. They come as (H, W) or (H, W, channels), in the machine's byte order.
        channels: Numbers of a pixel.
        lines: Lines of the message for each two lines of the image; 3 with two planes, as NV12 has.
        even: Whether width and height have to be even: (width, height).
    """

    kind: str
    to: Mapping[str, Conversion]
    channels: int = 1
    lines: int = 2
    even: tuple[bool, bool] = (False, False)

    def fits(self, count: int, height: int, width: int, step: int) -> bool:
        """Whether `count` bytes, `step` to a line, can be an image of this height and width."""
        row, rows = self._line(width), height * self.lines // 2
        odd = (self.even[0] and width % 2) or (self.even[1] and height % 2)
        return height > 0 and width > 0 and step >= row and count >= rows * step and not odd

    def read(self, octets: Any, height: int, width: int, step: int, *, big: bool) -> Pixels:
        """The pixels in bytes that fit, a view of them where that is possible.

        Args:
            octets: The message's data.
            height: Lines of the image.
            width: Pixels of a line.
            step: Bytes of a line, with what drivers pad it with.
            big: Whether numbers have their most significant byte first.
        """
        rows = height * self.lines // 2
        lines = np.frombuffer(octets, np.uint8, rows * step).reshape(rows, step)
        dtype = np.dtype(self.kind)
        unpadded = np.ascontiguousarray(lines[:, : self._line(width)])
        pixels: Pixels = unpadded.view(dtype.newbyteorder('>' if big else '<'))
        pixels = pixels.astype(dtype, copy=False)  # OpenCV knows the machine's order alone
        return pixels.reshape((rows, width, self.channels) if self.channels > 1 else (rows, width))

    def _line(self, width: int) -> int:
        """Bytes of a line without padding."""
        return width * self.channels * np.dtype(self.kind).itemsize


def converted(pixels: Pixels, encoding: str, wanted: str) -> Pixels:
    """Pixels of a raw image as the contract wants them.

    Args:
        pixels: What `PixelEncoding.read` gave.
        encoding: Of the message.
        wanted: Of the contract: `rgb8`, `mono8` or `16UC1`.

    Raises:
        IlRosError: If these cannot be made of them.
    """
    to = pixel_encoding(encoding).to
    if wanted not in to:
        fine = [name for name in encodings() if wanted in pixel_encoding(name).to]
        raise IlRosError(
            f'image encoding {encoding!r}',
            allowed=fine,
            fix=f'say another encoding than {wanted} in the contract, or let the driver change',
        )
    return to[wanted](pixels)


def pixel_encoding(name: str) -> PixelEncoding:
    """The encoding that messages call so.

    Third parties bring theirs by an entry point of the group `il_ros.image_encoding`: its name is
    that of the encoding, and it loads a `PixelEncoding`.

    Raises:
        IlRosError: If there is none.
    """
    if name not in ENCODINGS:
        if name not in encodings():  # messages may say anything: to look it up takes long
            raise IlRosError(f'image encoding {name!r}', allowed=encodings())
        ENCODINGS[name] = lookup('image_encoding', name, {})
    return ENCODINGS[name]


@cache
def encodings() -> tuple[str, ...]:
    """Names of all encodings that are known; third parties' come last."""
    return tuple(dict.fromkeys([*ENCODINGS, *names_of('image_encoding', ())]))


def millimetres(metres: Pixels) -> NDArray[np.uint16]:
    """Depth in whole millimetres, up to 65.535 m; 0 where it is not known."""
    known = np.nan_to_num(metres, nan=0.0, posinf=0.0, neginf=0.0) * 1000.0
    return np.asarray(np.clip(known, 0, 65535).round().astype(np.uint16))


def _turned(pixels: Pixels, *, conversion: str) -> Pixels:
    """Converted by OpenCV; numbers of 16 bits become those of 8."""
    import cv2

    if conversion:
        pixels = np.asarray(cv2.cvtColor(pixels, getattr(cv2, f'COLOR_{conversion}')))
    return pixels if pixels.dtype == np.uint8 else np.asarray(cv2.convertScaleAbs(pixels, alpha=_8))


_8 = 1 / 257  # from 0 .. 65535 to 0 .. 255


def _colours(rgb: str, gray: str) -> dict[str, Conversion]:
    """To colours and greys, by OpenCV's names of the conversions; empty for none."""
    return {'rgb8': partial(_turned, conversion=rgb), 'mono8': partial(_turned, conversion=gray)}


def _packed(name: str, kind: str, channels: int) -> PixelEncoding:
    """RGB and its like; `name` is OpenCV's."""
    rgb = '' if name == 'RGB' else f'{name}2RGB'
    gray = '' if name == 'GRAY' else f'{name}2GRAY'
    return PixelEncoding(kind=kind, channels=channels, to=_colours(rgb, gray))


def _bayer(name: str, kind: str) -> PixelEncoding:
    """A mosaic; OpenCV names it by the second and third pixel of the second line."""
    return PixelEncoding(kind=kind, to=_colours(f'Bayer{name}2RGB', f'Bayer{name}2GRAY'))


def _yuv(name: str) -> PixelEncoding:
    """Two neighbours share their colour (4:2:2), or four of them in a plane of its own (4:2:0)."""
    to = _colours(f'YUV2RGB_{name}', f'YUV2GRAY_{name}')
    if name.startswith('NV'):
        return PixelEncoding(kind='u1', lines=3, even=(True, True), to=to)
    return PixelEncoding(kind='u1', channels=2, even=(True, False), to=to)


def _as_it_is(pixels: Pixels) -> Pixels:
    return pixels


_DEPTH: dict[str, Conversion] = {'16UC1': _as_it_is}
_MONO16 = PixelEncoding(kind='u2', to={**_packed('GRAY', 'u2', 1).to, **_DEPTH})
# Third parties' are added when they are asked for.
ENCODINGS: dict[str, PixelEncoding] = {
    'rgb8': _packed('RGB', 'u1', 3),
    'bgr8': _packed('BGR', 'u1', 3),
    'rgba8': _packed('RGBA', 'u1', 4),
    'bgra8': _packed('BGRA', 'u1', 4),
    'mono8': _packed('GRAY', 'u1', 1),
    '8UC1': _packed('GRAY', 'u1', 1),
    '8UC3': _packed('BGR', 'u1', 3),
    '8UC4': _packed('BGRA', 'u1', 4),
    'rgb16': _packed('RGB', 'u2', 3),
    'bgr16': _packed('BGR', 'u2', 3),
    'rgba16': _packed('RGBA', 'u2', 4),
    'bgra16': _packed('BGRA', 'u2', 4),
    'mono16': _MONO16,
    '16UC1': PixelEncoding(kind='u2', to=_DEPTH),
    '32FC1': PixelEncoding(kind='f4', to={'16UC1': millimetres}),
    'uyvy': _yuv('UYVY'),
    'yuv422': _yuv('UYVY'),
    'yuyv': _yuv('YUY2'),
    'yuv422_yuy2': _yuv('YUY2'),
    'nv12': _yuv('NV12'),
    'nv21': _yuv('NV21'),
    **{
        f'bayer_{name}{bits}': _bayer(opencv, f'u{bits // 8}')
        for name, opencv in {'rggb': 'BG', 'bggr': 'RG', 'gbrg': 'GR', 'grbg': 'GB'}.items()
        for bits in (8, 16)
    },
}
