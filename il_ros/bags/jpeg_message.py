"""Raw images to JPEG on their way into the bag."""

from __future__ import annotations

import struct

from il_ros.core.errors import IlRosError
from il_ros.core.images import raw_image
from il_ros.core.pixel_encodings import Pixels, converted
from il_ros.core.streams import ImageStream

_LITTLE = b'\x00\x01'  # plain CDR, little endian, as every ROS 2 machine of today sends it
_FRAME_ID = 12  # where its length is: after the encapsulation header and the stamp
# The conversion of OpenCV that leads to BGR, which is what its encoder takes; of the encodings
# that need no other one before.
_TO_BGR = {
    'bgr8': '', '8UC3': '', 'mono8': '', '8UC1': '', 'rgb8': 'COLOR_RGB2BGR',
    'bgra8': 'COLOR_BGRA2BGR', 'rgba8': 'COLOR_RGBA2BGR',
}  # fmt: skip


def jpeg_message(data: bytes, stream: ImageStream) -> bytes:
    """The CDR bytes of a sensor_msgs/Image as those of a sensor_msgs/CompressedImage.

    Args:
        data: The raw image.
        stream: What the contract says of it: its quality, and the size that the camera sends.

    Raises:
        IlRosError: If the image is damaged, of another size, or has no colours or greys.
    """
    if data[:2] != _LITTLE:
        raise IlRosError('not plain CDR in little endian order')
    encoding, pixels = raw_image(data)
    plain = encoding
    if encoding not in _TO_BGR:
        plain = 'mono8' if encoding == 'mono16' else 'rgb8'
        pixels = converted(pixels, encoding, plain)
    size = pixels.shape[:2]
    if stream.source_size is not None and size != stream.source_size:
        raise IlRosError(f'an image of {size[0]} x {size[1]}', allowed=f'{stream.source_size}')
    stored = 'mono8' if plain in ('mono8', '8UC1') else 'bgr8'
    text = f'{encoding}; jpeg compressed {stored}'
    return _message(data, text, _jpeg(pixels, _TO_BGR[plain], stream.quality))


def _jpeg(pixels: Pixels, turn: str, quality: int) -> bytes:
    import cv2

    try:
        pixels = cv2.cvtColor(pixels, getattr(cv2, turn)) if turn else pixels
        done, blob = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as problem:
        raise IlRosError(f'OpenCV cannot encode it: {problem}') from None
    if not done:  # a side is longer than JPEG can say
        raise IlRosError(f'OpenCV cannot encode an image of {pixels.shape}')
    return bytes(blob.data)


def _message(raw: bytes, text: str, blob: bytes) -> bytes:
    """A CompressedImage with the header of `raw`; its format is as image_transport words it."""
    (length,) = struct.unpack_from('<I', raw, _FRAME_ID)
    octets = f'{text}\0'.encode()
    head = _padded(raw[: _FRAME_ID + 4 + length])
    middle = _padded(struct.pack('<I', len(octets)) + octets)
    return b''.join((head, middle, struct.pack('<I', len(blob)), blob))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
