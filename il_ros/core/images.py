"""From the bytes of image messages to pixels, and to the encoded images that a dataset keeps."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from il_ros.core.cdr import Bytes, Cdr
from il_ros.core.compressed_depth import MARK, decode_depth
from il_ros.core.errors import IlRosError
from il_ros.core.pixel_encodings import Pixels, converted, pixel_encoding
from il_ros.core.streams import IMAGE, ImageStream

ImageFormat = Literal['jpeg', 'png']
Renderer = Literal['opengl', 'rays']
"""Who made a simulated image: the same scene looks otherwise by another."""

MOST_PIXELS = 1 << 26
"""Pixels of the largest image that is decoded: a small file may say that it is huge."""

_PNG_START = b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR'  # its first chunk has width and height
_PNG_SIZE = struct.Struct('>II')
_BMP_SIZE = struct.Struct('<14xIii')  # of the second header, width, height; negative from above
# After a marker (ITU-T T.81, B.1.1.4) comes a length; of a frame (B.2.2) precision, height, width.
_JPEG_FRAME = struct.Struct('>HBHH')
_JPEG_MARKER = re.compile(rb'\xff[^\0\xff]')  # over bytes that fill, as libjpeg looks for it
_JPEG_STARTS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_JPEG_ENDS = {0xD9, 0xDA}  # of what comes before the pixels
_READ = {'rgb8': 'IMREAD_COLOR_RGB', 'mono8': 'IMREAD_GRAYSCALE', '16UC1': 'IMREAD_UNCHANGED'}
_RENDERED = 'rendered/'


def rendered_frame(renderer: Renderer, camera: str) -> str:
    """The `frame_id` of a simulated image, which travels with it: `rendered/rays/front`."""
    return f'{_RENDERED}{renderer}/{camera}'


def renderer_of(data: Bytes) -> str:
    """Who rendered an image, by the CDR bytes of its message; empty for a camera's.

    Raises:
        IlRosError: If the bytes end early.
    """
    reader = Cdr(data)
    reader.stamp()
    frame = reader.string()
    return frame.removeprefix(_RENDERED).split('/')[0] if frame.startswith(_RENDERED) else ''


def raw_image(data: Bytes) -> tuple[str, Pixels]:
    """Read the CDR bytes of a sensor_msgs/Image; the pixels are a view of them.

    Returns:
        Its encoding, as sensor_msgs/image_encodings.hpp names it; its pixels, shape (H, W) or
        (H, W, C), in the message's own channel order.

    Raises:
        IlRosError: If the encoding is not known, or the sizes do not fit together.
    """
    reader = Cdr(data)
    reader.header()
    height, width = reader.uint32(), reader.uint32()
    encoding, big, step = reader.string(), reader.uint8(), reader.uint32()
    octets = reader.octets()
    layout = pixel_encoding(encoding)
    if not layout.fits(len(octets), height, width, step):
        raise IlRosError(
            f'{len(octets)} bytes for an image of {height} x {width} {encoding}, step {step}',
            fix='fix the camera driver',
        )
    return encoding, layout.read(octets, height, width, step, big=bool(big))


def compressed_bytes(data: Bytes) -> bytes:
    """The encoded image in the CDR bytes of a sensor_msgs/CompressedImage.

    Raises:
        IlRosError: If the bytes end early.
    """
    return _compressed(data)[1]


def _compressed(data: Bytes) -> tuple[str, bytes]:
    """The format and the encoded image of a sensor_msgs/CompressedImage."""
    reader = Cdr(data)
    reader.header()
    return reader.string(), bytes(reader.octets())


class ImageDecoder:
    """Decodes the images of one stream in one episode; all have to be of one size.

    Args:
        stream: Its entry in the contract.
    """

    def __init__(self, stream: ImageStream) -> None:
        self._stream = stream
        self._size = stream.source_size

    def pixels(self, data: Bytes, type_name: str = '') -> Pixels:
        """The image as the contract wants it.

        Args:
            data: CDR bytes of the message.
            type_name: The message's type; the stream's own by default.

        Returns:
            uint8 (H, W, 3) RGB, uint8 (H, W) gray, or uint16 (H, W) depth [mm].

        Raises:
            IlRosError: If the message is damaged, of another size, or cannot be converted.
        """
        if (type_name or self._stream.type) == IMAGE:
            encoding, raw = raw_image(data)
            found = converted(raw, encoding, self._stream.encoding)
        else:
            found = self._decompressed(*_compressed(data))
        self._require_size(found)
        return _resized(found, self._stream.size)

    def encoded(
        self, data: Bytes, type_name: str = '', *, image_format: ImageFormat = 'jpeg'
    ) -> bytes:
        """The image, encoded; depth is always PNG. A JPEG that fits is taken as it is.

        Raises:
            IlRosError: As `pixels` does.
        """
        stream = self._stream
        if (type_name or stream.type) != IMAGE and image_format == 'jpeg':
            blob = compressed_bytes(data)
            if blob[:2] == b'\xff\xd8' and stream.encoding == 'rgb8':
                found = decode(blob, stream.encoding)  # a damaged one must not get in unmarked
                self._require_size(found)
                if found.shape[:2] == stream.size:
                    return blob
                return encode(_resized(found, stream.size), image_format, stream.quality)
        return encode(self.pixels(data, type_name), image_format, stream.quality)

    def _decompressed(self, text: str, blob: bytes) -> Pixels:
        wanted = self._stream.encoding
        if MARK not in text:
            return decode(blob, wanted)
        if wanted != '16UC1':
            raise IlRosError(
                f'format {text!r} is depth', allowed='encoding: 16UC1 for it in the contract'
            )
        png = partial(decode, encoding=wanted)
        return decode_depth(blob, text, most_pixels=MOST_PIXELS, decode_png=png)

    def _require_size(self, pixels: Pixels) -> None:
        size = (pixels.shape[0], pixels.shape[1])
        self._size = self._size or size
        if size != self._size:
            raise IlRosError(
                f'an image of {size[0]} x {size[1]}',
                allowed=f'{self._size[0]} x {self._size[1]}, as the first one or source_size',
                fix='leave the resolution of the camera alone while recording',
            )


def encode(pixels: Pixels, image_format: ImageFormat, quality: int = 95) -> bytes:
    """Encode RGB, gray or 16 bit pixels; 16 bits are always PNG.

    Raises:
        IlRosError: If OpenCV cannot.
    """
    import cv2

    png = image_format == 'png' or pixels.dtype != np.uint8
    turned = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
    options = [] if png else [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, blob = cv2.imencode('.png' if png else '.jpg', turned, options)
    if not done:
        raise IlRosError(f'OpenCV cannot encode an image of shape {pixels.shape}')
    return blob.tobytes()


def caption(image: NDArray[np.uint8], text: str) -> None:
    """Write a line at the lower left of an RGB image, in white."""
    import cv2

    place = (6, image.shape[0] - 8)
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1)


def animate(
    images: Sequence[NDArray[np.uint8]], durations: Iterable[float], *, quality: int
) -> bytes:
    """A looping video of RGB images, shape (H, W, 3), as an animated WebP.

    Args:
        images: In order.
        durations: How long each is shown [s].
        quality: 1 to 100.

    Raises:
        IlRosError: If OpenCV cannot.
    """
    import cv2

    if not hasattr(cv2, 'imencodeanimation'):  # that of Ubuntu 24.04 is older
        raise IlRosError(f'OpenCV {cv2.__version__} makes no videos', allowed='4.11 or newer')
    video = cv2.Animation()
    video.frames = [cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in images]
    video.durations = [round(1e3 * duration) for duration in durations]
    done, blob = cv2.imencodeanimation('.webp', video, [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise IlRosError(f'OpenCV cannot make a video of {len(images)} images')
    return bytes(blob)


def decode(blob: Bytes, encoding: str = 'rgb8') -> Pixels:
    """Pixels of an encoded PNG, JPEG or BMP: RGB, gray or 16 bit, by the contract's encoding.

    Raises:
        IlRosError: If it is damaged, of another format, says that it is huge, or has not the
            depth that is wanted.
    """
    import cv2

    claimed = _claimed_size(bytes(blob))
    if not claimed[0] * claimed[1]:
        raise IlRosError(
            f'not an encoded image of {encoding}: {len(blob)} bytes',
            allowed=f'PNG, JPEG or BMP of at most {MOST_PIXELS} pixels',
            fix='leave the image out',
        )
    if claimed[0] * claimed[1] > MOST_PIXELS:
        raise IlRosError(
            f'an image of {claimed[0]} x {claimed[1]} in {len(blob)} bytes',
            allowed=f'{MOST_PIXELS} pixels',
            fix='leave the image out',
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(blob, np.uint8), getattr(cv2, _READ[encoding]))
    except cv2.error:
        pixels = None
    if pixels is None or (encoding == '16UC1') != (pixels.dtype == np.uint16):
        raise IlRosError(
            f'not an encoded image of {encoding}: {len(blob)} bytes', fix='leave the image out'
        )
    return np.asarray(pixels)


def _claimed_size(blob: bytes) -> tuple[int, int]:
    """Height and width that a PNG, BMP or JPEG states; zeros where it does not, or is another."""
    if blob.startswith(_PNG_START) and len(blob) >= len(_PNG_START) + _PNG_SIZE.size:
        width, height = _PNG_SIZE.unpack_from(blob, len(_PNG_START))
        return height, width
    if blob.startswith(b'BM') and len(blob) >= _BMP_SIZE.size:
        length, width, height = _BMP_SIZE.unpack_from(blob)
        return (abs(height), abs(width)) if length >= 40 else (0, 0)  # older ones have 16 bits
    at = 2 if blob.startswith(b'\xff\xd8\xff') else len(blob)
    while found := _JPEG_MARKER.search(blob, at):  # from segment to segment, over what cameras add
        marker, at = found[0][1], found.end()
        if marker in _JPEG_BARE:
            continue
        if marker in _JPEG_ENDS or at + _JPEG_FRAME.size > len(blob):
            break
        length, _, height, width = _JPEG_FRAME.unpack_from(blob, at)
        if marker in _JPEG_STARTS:
            return height, width
        at += max(length, 2)
    return 0, 0


def _resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    import cv2

    if pixels.shape[:2] == size:
        return pixels
    # Depth has edges that must not be mixed; shrinking anything else takes the mean.
    shrinks = size[0] < pixels.shape[0]
    depth, area, linear = cv2.INTER_NEAREST, cv2.INTER_AREA, cv2.INTER_LINEAR
    how = depth if pixels.dtype == np.uint16 else area if shrinks else linear
    return np.asarray(cv2.resize(pixels, (size[1], size[0]), interpolation=how))
