"""Images by OpenGL, on a graphics card or in software."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.images import Renderer

REMEDY = 'install libegl1, libopengl0 and libgl1-mesa-dri and set MUJOCO_GL=egl'
"""How to get OpenGL on a machine without a display."""


class OpenGl:
    """Renders the cameras of one model, with one lazily made context for each image size.

    Args:
        model: The mujoco.MjModel.
    """

    name: Final[Renderer] = 'opengl'

    # Why OpenGL does not work; empty if it does. It is tried once in a process, because a second
    # failure may abort the process (GLFW).
    _missing: ClassVar[str | None] = None

    def __init__(self, model: Any) -> None:
        self._model = model
        self._renderers: dict[tuple[int, int], Any] = {}

    @classmethod
    def missing(cls, model: Any) -> str:
        """Why no image can be rendered; empty if one can. It is tried once in a process."""
        if cls._missing is None:
            try:
                with warnings.catch_warnings():  # the back end's own warnings
                    warnings.simplefilter('ignore')
                    mujoco.Renderer(model, 1, 1).close()
                cls._missing = ''
            # What a missing OpenGL raises depends on the back end, down to AttributeError.
            except Exception as error:
                cls._missing = str(error) or type(error).__name__
        return cls._missing

    def render(self, data: Any, camera: int, width: int, height: int) -> NDArray[np.uint8]:
        """One RGB image, shape (height, width, 3).

        Args:
            data: The mujoco.MjData, after its kinematics and lights were computed.
            camera: Number of the camera.
            width: Width of the image [pixel].
            height: Height of the image [pixel].

        Raises:
            IlRosError: If OpenGL is missing.
        """
        if (width, height) not in self._renderers:
            self._renderers[width, height] = self._made(width, height)
        renderer = self._renderers[width, height]
        renderer.update_scene(data, camera=camera)
        return np.asarray(renderer.render(), np.uint8)

    def close(self) -> None:
        """Release the contexts."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _made(self, width: int, height: int) -> Any:
        if missing := self.missing(self._model):
            raise IlRosError(
                f'no image can be rendered: OpenGL is missing ({missing})',
                where='camera',
                fix=f'{REMEDY}, or choose the renderer rays',
            )
        # The whole buffer is cleared for each image, so it is no larger than the image.
        buffer = self._model.vis.global_
        buffer.offwidth, buffer.offheight = width, height
        renderer = mujoco.Renderer(self._model, height, width)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            renderer.scene.flags[flag] = 0
        return renderer
