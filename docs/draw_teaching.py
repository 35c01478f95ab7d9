"""Draw docs/teaching.webp, an arm being taught: ``python docs/draw_teaching.py runs/demo/bundle``.

The bundle is a calibrated one of the task `pick_place`, as `make demo` leaves it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from il_ros.core.geometry import rotation_vector
from il_ros.evaluation.suites import draw_seeds
from il_ros.rollouts.rollout_pool import EpisodeSetup
from il_ros.sim.perturbations import Perturbation, load_perturbations
from il_ros.sim.robot import View

TASK = 'pick_place'
CONFIG = Path(__file__).parents[1] / 'config'
CONTRACT = CONFIG / 'contracts' / f'franka_{TASK}.yaml'
DEMONSTRATIONS, SHOWN = 120, 3  # that the bundle is trained on; of them
SEED = 300001  # of the scene in which the policy drives
DISTURBANCE = 'object_taken_away'
WIDTH, TOP, HEIGHT, BOTTOM = 640, 46, 356, 82  # of the bar, the scene and the plot [pixel]
CUT = 62  # rows of the camera's image above the scene
EYE, TARGET = (1.25, -1.02, 0.8), (0.4, 0.0, 0.25)  # of the camera, in the base frame [m]
FRAME_MS, REST_MS = 66, 1600
PLOT = (108, 14, 612, 66)  # left, top, right, bottom within the strip of the plot
WHITE, INK, GREY, BACKGROUND = '#ffffff', '#22303c', '#8a97a3', '#eef2f6'
BLUE, RED = '#33658a', '#c8553d'
CURVES = ('#33658a', '#86bbd8', '#758e4f', '#f6ae2d', '#f26419', '#7d5ba6', '#3d405b', '#8a97a3')

Pixels = NDArray[np.uint8]


def main(bundle: Path) -> None:
    """Write the file."""
    video = Video()
    seeds = draw_seeds('demonstrations', DEMONSTRATIONS)
    for number, seed in enumerate(seeds[:SHOWN], start=1):
        title = f'1  Demonstration {number} of {DEMONSTRATIONS}, here by a scripted expert'
        shot = Shot(video, title, every=4)
        shot.run(EpisodeSetup(contract=CONTRACT, task=TASK, safety_filter='limits'), seed)
    video.rest(REST_MS // 3)
    shot = Shot(video, '2  The trained policy drives, the monitor watches', every=2, scored=True)
    setup = EpisodeSetup(contract=CONTRACT, task=TASK, bundle=bundle, safety_filter='monitor')
    shot.run(setup, SEED)
    video.rest(REST_MS)
    case = load_perturbations(CONFIG / 'suites' / f'{TASK}.yaml')[DISTURBANCE]
    shot = Shot(video, '3  The policy drives, until somebody moves the cube', every=1, scored=True)
    shot.run(setup, SEED, case)
    video.rest(2 * REST_MS)
    path = Path(__file__).with_name('teaching.webp')
    video.save(path)
    print(f'{path}: {len(video.images)} images, {path.stat().st_size / 1e6:.2f} MB')


class Video:
    """The images so far, and how long each is shown [ms]."""

    def __init__(self) -> None:
        self.images: list[Image.Image] = []
        self.durations: list[int] = []

    def add(self, image: Image.Image) -> None:
        """Append an image."""
        self.images.append(image)
        self.durations.append(FRAME_MS)

    def rest(self, duration: int) -> None:
        """Show the last image for longer [ms]."""
        self.durations[-1] += duration

    def save(self, path: Path) -> None:
        """Write an animated WebP that repeats."""
        first, *others = self.images
        first.save(
            path, save_all=True, append_images=others, duration=self.durations, loop=0,
            quality=72, method=6, minimize_size=True,
        )  # fmt: skip


class Shot:
    """One episode in front of the camera.

    Args:
        video: Where the images go.
        title: What is to be read above it.
        every: Control periods from one image to the next.
        scored: Whether the plot shows the monitor's score, else the commanded joints.
    """

    def __init__(self, video: Video, title: str, *, every: int, scored: bool = False) -> None:
        self._video, self._title, self._every, self._scored = video, title, every, scored
        self._rows: list[NDArray[np.float64]] = []
        self._longest = 130 if scored else 105  # control periods that the plot is wide

    def run(self, setup: EpisodeSetup, seed: int, perturbations: Sequence[Any] = ()) -> None:
        """Run the episode."""
        runner = setup.make_runner()

        def watch(frame: Any, chunk: NDArray[np.float64] | None) -> None:
            self._rows.append(self._row(runner, frame))
            if (len(self._rows) - 1) % self._every == 0:
                self._shoot(runner)

        rollout = runner.run(seed, [*perturbations, viewpoint()], watch=watch)
        self._shoot(runner)
        print(f'{self._title}: {rollout.elapsed:.1f} s, {rollout.reason or "goal reached"}')

    def _row(self, runner: Any, frame: Any) -> NDArray[np.float64]:
        if self._scored:
            return np.array([runner.safety_filter.verdict.scores.score])
        return np.asarray(frame.vector(runner.contract.action.position))

    def _shoot(self, runner: Any) -> None:
        stopped = bool(runner.safety_filter.stopped)
        title = '3  The monitor stops the arm' if stopped else self._title
        canvas = Image.new('RGB', (WIDTH, TOP + HEIGHT + BOTTOM), WHITE)
        draw = ImageDraw.Draw(canvas)
        draw.rectangle((0, 0, WIDTH, TOP), fill=RED if stopped else BLUE)
        draw.text((18, TOP / 2), title, fill=WHITE, font=font(19, 'Bold'), anchor='lm')
        canvas.paste(picture(runner), (0, TOP))
        self._plot(draw)
        self._video.add(canvas)

    def _plot(self, draw: ImageDraw.ImageDraw) -> None:
        left, top, right, bottom = np.add(PLOT, (0, TOP + HEIGHT, 0, TOP + HEIGHT)).tolist()
        rows = np.array(self._rows)
        if not self._scored:
            rows = rows - rows[0]  # how far each joint has moved
        x = left + (right - left) * np.arange(len(rows)) / self._longest
        low, high = (0.0, 1.6) if self._scored else (-0.7, 0.7)
        y = bottom - (bottom - top) * (np.clip(rows, low, high) - low) / (high - low)
        middle = (top + bottom) / 2
        if self._scored:
            limit = bottom - (bottom - top) / high
            draw.line((left, limit, right, limit), fill=RED, width=1)
            draw.text((left - 10, limit), 'stops above', fill=RED, font=font(12), anchor='rm')
            draw.text((left - 10, bottom - 8), 'score', fill=INK, font=font(12), anchor='rm')
        else:
            draw.text((left - 10, middle - 8), 'recorded', fill=INK, font=font(12), anchor='rm')
            draw.text((left - 10, middle + 8), 'joints', fill=INK, font=font(12), anchor='rm')
        draw.line((left, bottom, right, bottom), fill=GREY, width=1)
        for k in range(rows.shape[1]):
            seen = np.isfinite(y[:, k])
            points = list(zip(x[seen].tolist(), y[seen, k].tolist(), strict=True))
            draw.line(points, fill=CURVES[k % len(CURVES)], width=2, joint='curve')


def viewpoint() -> Perturbation:
    """The front camera, moved to where all of the arm is seen; nothing else changes."""
    x, y = np.reshape(View.axes, (2, 3))
    before = np.stack([x, y, np.cross(x, y)], axis=1)  # a camera looks along its -z
    z = unit(np.subtract(EYE, TARGET))
    x = unit(np.cross((0.0, 0.0, 1.0), z))
    after = np.stack([x, np.cross(z, x), z], axis=1)
    shift = before.T @ np.subtract(EYE, View.camera)
    value = (*shift, *rotation_vector(before.T @ after))
    return Perturbation(kind='camera_offset', target='front', value=value)


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector, made one long."""
    return np.asarray(vector / np.linalg.norm(vector))


def picture(runner: Any) -> Image.Image:
    """The scene at this instant, drawn larger and made smaller for smooth edges, sky in colour."""
    image = runner.render('front', 2 * WIDTH, 3 * WIDTH // 2).copy()
    sky = ~image.any(axis=2)
    image[sky] = Image.new('RGB', (1, 1), BACKGROUND).getpixel((0, 0))
    image = image[2 * CUT : 2 * (CUT + HEIGHT)]
    return Image.fromarray(image).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def font(size: int, weight: str = '') -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along."""
    name = f'DejaVuSans{"-" + weight if weight else ""}.ttf'
    return ImageFont.truetype(Path(mpl.get_data_path()) / 'fonts/ttf' / name, size)


if __name__ == '__main__':
    main(Path(sys.argv[1]))
