"""Draw docs/tasks.jpg, the built-in tasks in mid-episode: ``python docs/draw_tasks.py``."""

import math
from pathlib import Path

import cv2
import numpy as np

from il_ros.experts import make_expert
from il_ros.sim.tasks import TASKS
from il_ros.sim.world import World

WIDTH, HEIGHT, COLUMNS = 400, 300, 4
SEED, SHARE = 2, 0.45  # of an episode that the expert has done when the picture is taken


def main() -> None:
    """Write the file."""
    pictures = [_picture(task) for task in TASKS]
    blank = np.full_like(pictures[0], 255)
    pictures += [blank] * (-len(pictures) % COLUMNS)
    rows = [np.hstack(pictures[i : i + COLUMNS]) for i in range(0, len(pictures), COLUMNS)]
    path = Path(__file__).parent / 'tasks.jpg'
    cv2.imwrite(str(path), np.vstack(rows)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(path)


def _picture(task: str) -> np.ndarray:
    """The front camera's image with the task's name on it."""
    world = World(task)
    steps = _run(world, task, math.inf)
    _run(world, task, SHARE * steps)
    image = np.ascontiguousarray(world.render('front', WIDTH, HEIGHT))
    cv2.putText(image, task, (12, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
    world.close()
    return image


def _run(world: World, task: str, most: float) -> int:
    """Let the expert drive from the reset on; gives the steps it took."""
    world.reset(SEED)
    expert, steps, last = make_expert(task), 0, world.posture()
    share = np.arange(1, world.substeps + 1)[:, None] / world.substeps
    while steps < most and not world.state().done:
        target = expert.act(world.privileged(), horizon=1, dt=world.period)[0]
        world.step(last + share * (target - last))
        last, steps = target, steps + 1
    return steps


if __name__ == '__main__':
    main()
