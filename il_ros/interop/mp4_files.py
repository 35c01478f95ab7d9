"""MP4 files with the frames of many episodes one after another, as LeRobot has them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import DatasetError
from il_ros.interop.foreign_files import library, reading, regular
from il_ros.interop.read_limits import step

CODEC = 'h264'
# A key frame every second frame and constant quality, as LeRobot chooses for random access.
OPTIONS = {'g': '2', 'crf': '18', 'bf': '0'}


class VideoFile:
    """Writes one MP4 file, frame by frame.

    Args:
        path: The file.
        rate: Frames per second [Hz].
        size: Height and width [pixel].
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        if size[0] % 2 or size[1] % 2:
            raise DatasetError(
                f'images of {size[0]} x {size[1]}',
                where=str(path),
                allowed='even sizes in a video',
                fix='export with images=image',
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.frames = path, 0
        self._rate = Fraction(rate).limit_denominator(100_000)
        self._container: Any = library('av').open(str(path), 'w')
        self._stream: Any = self._container.add_stream(CODEC, rate=self._rate, options=OPTIONS)
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = 'yuv420p'

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """Append an image, uint8 (H, W, 3) RGB or (H, W) gray."""
        colours = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
        frame = library('av').VideoFrame.from_ndarray(np.ascontiguousarray(colours), 'rgb24')
        frame.pts, frame.time_base = self.frames, 1 / self._rate
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    @property
    def seconds(self) -> float:
        """How long it is [s]."""
        return float(self.frames / self._rate)

    def close(self, *, whole: bool = True) -> None:
        """Close the file, with what the encoder still holds if it is to be `whole`."""
        if whole:
            self._container.mux(self._stream.encode())
        self._container.close()


def video_info(size: tuple[int, int], rate: float) -> dict[str, Any]:
    """What `info.json` says of a video."""
    return {
        'video.height': size[0],
        'video.width': size[1],
        'video.codec': CODEC,
        'video.pix_fmt': 'yuv420p',
        'video.is_depth_map': False,
        'video.fps': round(rate),
        'video.channels': 3,
        'has_audio': False,
    }


def frames_at(path: Path, start: float, count: int, rate: float) -> Iterator[NDArray[np.uint8]]:
    """The `count` frames from `start` [s] on, uint8 (H, W, 3) RGB, one at a time.

    Raises:
        DatasetError: If the file is damaged or has no frame near one of the times.
    """
    av = library('av')
    step()
    with reading(path, 'a video'), av.open(regular(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = 'AUTO'
        if start > 0:
            container.seek(int(start / stream.time_base), stream=stream)
        frames = container.decode(stream)
        frame = next(frames, None)
        for i in range(count):
            step()
            time = start + i / rate
            while frame is not None and frame.time < time - 0.5 / rate:
                step()
                frame = next(frames, None)
            if frame is None or frame.time > time + 0.5 / rate:
                raise DatasetError(f'no frame at {time:.3f} s', where=str(path), fix='get it again')
            yield frame.to_ndarray(format='rgb24')
