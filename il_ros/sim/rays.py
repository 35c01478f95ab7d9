"""Images without OpenGL: one ray for each pixel, shaded by Lambert's law.

Geometry, colours and lights are the model's; light attenuates and spreads as in OpenGL's fixed
pipeline. Textures, shadows, highlights, reflections, sites and the sky are not drawn. Behind a
transparent surface only opaque ones are seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import mujoco
import numpy as np
from numpy.typing import NDArray

from il_ros.core.errors import IlRosError
from il_ros.core.images import Renderer
from il_ros.core.limits import Array

# Half the size of a number is half the time, and still far finer than a colour's 256 steps.
Single = NDArray[np.float32]

_SEEN = np.array([1, 1, 1, 0, 0, 0], np.uint8)  # groups that MuJoCo's viewers show by default
_HIDDEN = 5  # a group that they do not
_UNSET = np.array([0.5, 0.5, 0.5, 1.0], np.float32)  # colour of a shape that has none of its own


@dataclass(frozen=True, kw_only=True)
class _Hits:
    """Where R rays of one camera end.

    Attributes:
        rays: Their directions in the world, of unit length, shape (R, 3).
        geoms: What each hits first, -1 for nothing, shape (R,).
        distances: How far away that is, shape (R,) [m].
        normals: Of the surface there, of unit length, shape (R, 3).
    """

    rays: Array
    geoms: NDArray[np.int32]
    distances: Array
    normals: Array


class RayCaster:
    """Renders the cameras of one model; the same state gives the same image, bit for bit.

    Args:
        model: The mujoco.MjModel.
    """

    name: Final[Renderer] = 'rays'

    def __init__(self, model: Any) -> None:
        self._model = model
        self._pixels: dict[tuple[int, float, int, int], Array] = {}

    def render(self, data: Any, camera: int, width: int, height: int) -> NDArray[np.uint8]:
        """One RGB image, shape (height, width, 3), as `OpenGl.render` makes it.

        Raises:
            IlRosError: If the camera has another projection than a perspective with `fovy`.
        """
        rays = self._directions(camera, width, height) @ data.cam_xmat[camera].reshape(3, 3).T
        hits, colours = self._cast(data, camera, rays), self._colours()
        image = self._shaded(data, camera, hits, colours)
        opacity = colours[hits.geoms, 3]
        # A surface is not seen from its inside, such as the housing of the camera.
        opacity[np.einsum('ij,ij->i', rays, hits.normals) > 0] = 0.0
        opacity[hits.geoms < 0] = 1.0
        through = np.flatnonzero(opacity < 1.0)
        if through.size:
            hits = self._cast(data, camera, rays[through], np.unique(hits.geoms[through]))
            behind = self._shaded(data, camera, hits, colours)
            alpha = opacity[through, None]
            image[through] = alpha * image[through] + (1.0 - alpha) * behind
        return np.asarray(image * 255.0 + 0.5, np.uint8).reshape(height, width, 3)

    def close(self) -> None:
        """Do nothing; there is nothing to release."""

    def _cast(
        self, data: Any, camera: int, rays: Array, without: NDArray[np.int32] | None = None
    ) -> _Hits:
        """Where rays end; the geoms in `without` do not stop them."""
        model, groups, count = self._model, self._model.geom_group, len(rays)
        hidden = np.zeros(0, np.int32) if without is None else without
        geoms, distances = np.empty(count, np.int32), np.empty(count)
        normals, before = np.empty((count, 3)), groups[hidden]
        groups[hidden] = _HIDDEN
        try:
            mujoco.mj_multiRay(
                model, data, data.cam_xpos[camera], rays.ravel(), _SEEN, True, -1, geoms,
                distances, normals.ravel(), count, float(model.vis.map.zfar * model.stat.extent),
            )  # fmt: skip
        finally:
            groups[hidden] = before
        return _Hits(rays=rays, geoms=geoms, distances=distances, normals=normals)

    def _shaded(self, data: Any, camera: int, hits: _Hits, colours: Single) -> Single:
        """Lit colours of the surfaces, shape (R, 3), 0 to 1; black where nothing was hit."""
        image = np.zeros((len(hits.rays), 3), np.float32)
        hit = np.flatnonzero(hits.geoms >= 0)
        ways = (hits.distances[hit, None] * hits.rays[hit]).astype(np.float32)
        light = self._light(data, camera, ways, hits.normals[hit].astype(np.float32))
        image[hit] = np.minimum(colours[hits.geoms[hit], :3] * light, 1.0)
        return image

    def _light(self, data: Any, camera: int, ways: Single, normals: Single) -> Single:
        """Light that falls on surfaces, shape (P, 3), in red, green and blue.

        `ways` lead from the camera to P points, shape (P, 3) [m]; `normals` are of unit length.
        """
        model, head = self._model, self._model.vis.headlight
        light = np.zeros_like(ways)
        if head.active:
            back = data.cam_xmat[camera].reshape(3, 3)[:, 2].astype(np.float32)
            light += head.ambient + _lambert(normals @ back) * head.diffuse
        for lamp in np.flatnonzero(model.light_active):
            there = (data.light_xpos[lamp] - data.cam_xpos[camera]).astype(np.float32)
            axis = data.light_xdir[lamp].astype(np.float32)
            facing = _facing(model, int(lamp), there - ways, axis, normals)
            light += model.light_ambient[lamp] + _lambert(facing) * model.light_diffuse[lamp]
        return light

    def _colours(self) -> Single:
        """Red, green, blue and opacity of each geom: its own, or else its material's."""
        model = self._model
        colours = np.asarray(model.geom_rgba, np.float32).copy()
        plain = (model.geom_matid >= 0) & (colours == _UNSET).all(axis=1)
        colours[plain] = model.mat_rgba[model.geom_matid[plain]]
        return colours

    def _directions(self, camera: int, width: int, height: int) -> Array:
        """Unit vectors through the pixels in the frame of the camera, row by row."""
        model = self._model
        angle = float(model.cam_fovy[camera])
        key = (camera, angle, width, height)
        if key in self._pixels:
            return self._pixels[key]
        if int(model.cam_projection[camera]) or model.cam_sensorsize[camera].any():
            raise IlRosError(
                'no rays for its projection',
                where=f'camera {model.camera(camera).name}',
                allowed='a perspective camera with fovy',
                fix='leave its sensor size and projection out, or choose the renderer opengl',
            )
        half = np.tan(np.radians(angle) / 2)
        rays = np.empty((height, width, 3))
        rays[:, :, 0] = ((2 * np.arange(width) + 1) / width - 1) * half * width / height
        rays[:, :, 1] = (1 - (2 * np.arange(height) + 1) / height)[:, None] * half
        rays[:, :, 2] = -1.0
        rays /= np.linalg.norm(rays, axis=2, keepdims=True)
        self._pixels[key] = rays.reshape(-1, 3)
        return self._pixels[key]


def _lambert(facing: Single) -> Single:
    return np.maximum(facing, np.float32(0.0))[:, None]


def _facing(model: Any, lamp: int, ways: Single, axis: Single, normals: Single) -> Single:
    """Cosine of the angle of incidence times the attenuation, shape (P,).

    `ways` lead from P points to the light, shape (P, 3) [m]; `axis` is where it looks, shape (3,).
    """
    kinds, kind = mujoco.mjtLightType, int(model.light_type[lamp])
    if kind == int(kinds.mjLIGHT_DIRECTIONAL):
        return np.asarray(normals @ -axis)
    distance = np.sqrt(np.einsum('ij,ij->i', ways, ways))
    facing = np.einsum('ij,ij->i', normals, ways) / distance
    constant, linear, square = model.light_attenuation[lamp]
    facing /= constant + distance * (linear + distance * square)
    if kind == int(kinds.mjLIGHT_SPOT):
        spot = ways @ -axis / distance
        lit = spot >= np.cos(np.radians(model.light_cutoff[lamp]))
        facing *= np.where(lit, np.maximum(spot, 0.0) ** model.light_exponent[lamp], 0.0)
    return np.asarray(facing)
