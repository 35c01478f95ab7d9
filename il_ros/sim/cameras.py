"""Images of the scene; nothing of OpenGL is touched before the first one is asked for."""

from __future__ import annotations

from typing import Any, ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError, UnknownNameError


class Cameras:
    """Renders the cameras of one model, with one lazily made renderer for each image size."""

    # Why no image can be rendered. Of the process: a second try in vain may abort it (GLFW).
    _missing: ClassVar[str] = ''

    def __init__(self, model: Any) -> None:
        self._model = model
        self._renderers: dict[tuple[int, int], Any] = {}
        self.names = tuple(model.camera(i).name for i in range(model.ncam))

    def render(self, data: Any, name: str, width: int, height: int) -> NDArray[np.uint8]:
        """One RGB image, shape (height, width, 3), of the camera `name`.

        Raises:
            UnknownNameError: If the scene has no such camera.
            IlRosError: If OpenGL is missing.
        """
        if name not in self.names:
            raise UnknownNameError(f'unknown camera {name!r}', allowed=self.names)
        renderer = self._renderer(width, height)
        renderer.update_scene(data, camera=name)
        return np.asarray(renderer.render().copy(), np.uint8)

    def close(self) -> None:
        """Give back the OpenGL contexts."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _renderer(self, width: int, height: int) -> Any:
        if (width, height) not in self._renderers:
            renderer = self._made(width, height)
            for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
                renderer.scene.flags[flag] = 0
            self._renderers[width, height] = renderer
        return self._renderers[width, height]

    def _made(self, width: int, height: int) -> Any:
        if not Cameras._missing:
            try:
                return mujoco.Renderer(self._model, height, width)
            # What a missing OpenGL raises depends on the back end, down to AttributeError.
            except Exception as error:
                Cameras._missing = str(error) or type(error).__name__
        raise IlRosError(
            f'no image can be rendered: OpenGL is missing ({Cameras._missing})',
            where='camera',
            fix='install libegl1, libopengl0 and libgl1-mesa-dri and set MUJOCO_GL=egl, '
            'or use a contract without images',
        )
