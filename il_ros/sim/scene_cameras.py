"""Images of the scene, by OpenGL or without it; neither is touched before one is asked for."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import UnknownNameError
from il_ros.core.images import Renderer
from il_ros.sim.opengl import REMEDY, OpenGl
from il_ros.sim.rays import RayCaster

Choice = Literal['auto', 'opengl', 'rays']

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
