"""Images of the scene, by OpenGL (on a graphics card or in software) or by rays, when asked for."""

from __future__ import annotations

import functools
import logging
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, get_args

import mujoco
import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.core.images import Renderer
from il_ros.sim.rays import RayCaster

Choice = Literal['auto', 'opengl', 'rays']

REMEDY = 'install libegl1, libopengl0 and libgl1-mesa-dri and set MUJOCO_GL=egl'
"""How to get OpenGL on a machine without a display."""

# Once for each text, however many worlds there are.
_say = functools.cache(logging.getLogger(__name__).warning)


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """How images of the scene are made.

    Attributes:
        renderer: `opengl`; `rays`, which needs nothing and is slower; or `auto`: OpenGL where it
            works, else rays.

    Raises:
        UnknownNameError: If there is no such renderer.
    """

    renderer: Choice = 'auto'

    def __post_init__(self) -> None:
        if self.renderer not in get_args(Choice):
            raise UnknownNameError(f'unknown renderer {self.renderer!r}', allowed=get_args(Choice))


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


class Cameras:
    """Renders the cameras of one model, all by the same renderer.

    Args:
        model: The mujoco.MjModel.
        renderer: As `CameraConfig` has it.

    Attributes:
        names: Of the cameras.

    Raises:
        UnknownNameError: If there is no such renderer.
    """

    def __init__(self, model: Any, renderer: Choice = CameraConfig.renderer) -> None:
        self._model, self._choice = model, CameraConfig(renderer=renderer).renderer
        self.names = tuple(model.camera(i).name for i in range(model.ncam))

    @property
    def renderer(self) -> Renderer:
        """Which renderer makes the images: it is known when it or an image is asked for first."""
        return self._drawer.name

    def render(self, data: Any, name: str, width: int, height: int) -> NDArray[np.uint8]:
        """One RGB image, shape (height, width, 3), of the camera `name`.

        Raises:
            UnknownNameError: If the scene has no such camera.
            IlRosError: If OpenGL is asked for and missing.
        """
        if name not in self.names:
            raise UnknownNameError(f'unknown camera {name!r}', allowed=self.names)
        return self._drawer.render(data, self.names.index(name), width, height)

    def close(self) -> None:
        """Release the renderer; it is made anew when it is needed."""
        if '_drawer' in vars(self):
            self._drawer.close()

    @functools.cached_property
    def _drawer(self) -> OpenGl | RayCaster:
        if self._choice == 'auto' and (missing := OpenGl.missing(self._model)):
            _say(f'images are made by casting rays: OpenGL is missing ({missing}); {REMEDY}')
            return RayCaster(self._model)
        return RayCaster(self._model) if self._choice == 'rays' else OpenGl(self._model)
