"""The trainer node: offline training as a ROS action."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import KeyValue
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.clock import Clock, ClockType

from il_ros.action import TrainPolicy
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.algorithms.training_settings import TrainingProgress
from il_ros.core.config import override
from il_ros.core.errors import IlRosError, UnknownNameError
from il_ros.datasets.augmentation.augmentation import load_augmentation
from il_ros.ros.convert import key_values
from il_ros.ros.managed import ManagedNode
from il_ros.ros.parameters import declare, setting
from il_ros.ros.spin import run_node

ALGORITHMS = ('bc',)


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Parameters of the trainer node."""

    root: str = setting('.', 'Folder that datasets and bundles must lie in.')


class Trainer(ManagedNode):
    """Trains one policy at a time in a thread; a cancelled or failed training leaves nothing."""

    def __init__(self) -> None:
        super().__init__('trainer')
        self._config = declare(self, TrainerConfig)
        self._job: threading.Thread | None = None
        self._stop = threading.Event()
        self._server: ActionServer | None = None

    def configure(self) -> None:
        """Offer the action."""
        self._server = ActionServer(
            self,
            TrainPolicy,
            '~/train',
            self._result,
            goal_callback=self._on_goal,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )

    def release(self) -> None:
        """End the training that runs."""
        self._stop.set()
        if self._job is not None:
            self._job.join(timeout=2.0)
        if self._server is not None:
            self._server.destroy()
            self._server = None

    def _on_goal(self, _: TrainPolicy.Goal) -> GoalResponse:
        free = self.active and (self._job is None or not self._job.is_alive())
        return GoalResponse.ACCEPT if free else GoalResponse.REJECT

    def _on_accepted(self, goal: Any) -> None:
        """Start the training; the goal is executed, that is answered, when it has ended."""
        self._stop.clear()
        self._news = news = _News()
        self._job = threading.Thread(target=self._train, args=(goal.request, news), daemon=True)
        self._job.start()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(0.2, lambda: self._report(goal, news), clock=steady)

    def _report(self, goal: Any, news: _News) -> None:
        """In the executor's thread: pass progress on, see to cancelling, notice the end."""
        progress = news.progress
        if progress is not None:
            goal.publish_feedback(
                TrainPolicy.Feedback(
                    epoch=progress.epoch,
                    epochs=progress.epochs,
                    metrics=key_values(
                        {
                            'training_loss': progress.training_loss,
                            'validation_loss': progress.validation_loss,
                        }
                    ),
                )
            )
        if goal.is_cancel_requested:
            self._stop.set()
        if self._job is not None and not self._job.is_alive():
            self.destroy_timer(self._timer)
            goal.execute()

    def _result(self, goal: Any) -> TrainPolicy.Result:
        news = self._news
        if news.problem:
            goal.canceled() if goal.is_cancel_requested else goal.abort()
            return TrainPolicy.Result(message=news.problem)
        goal.succeed()
        return TrainPolicy.Result(
            success=True,
            bundle=goal.request.output,
            metrics=key_values({'validation_loss': news.validation_loss}),
        )

    def _train(self, goal: TrainPolicy.Goal, news: _News) -> None:
        """In the training's own thread."""
        try:
            if goal.algorithm not in ALGORITHMS:
                raise UnknownNameError(
                    f'unknown algorithm {goal.algorithm!r}', where='algorithm', allowed=ALGORITHMS
                )
            files, settings = augmentation_files(goal.settings)
            news.validation_loss = train_bundle(
                self._inside(goal.dataset),
                self._inside(goal.output),
                override(BcConfig(), settings),
                augmentation=load_augmentation(*map(self._inside, files)),
                on_epoch=news.take,
                cancelled=self._stop.is_set,
            )
        except IlRosError as problem:
            news.problem = str(problem)
        except Exception as problem:
            news.problem = f'{type(problem).__name__}: {problem}'

    def _inside(self, path: str) -> Path:
        root = Path(self._config.root).resolve()
        resolved = (root / path).resolve()
        if not path or not resolved.is_relative_to(root):
            raise IlRosError(
                f'got {path!r}', where='path', allowed=f'a folder inside {root} (parameter root)'
            )
        return resolved


def augmentation_files(settings: Iterable[KeyValue]) -> tuple[list[str], list[str]]:
    """Part a goal's settings into the files of the key `augmentation`, and `name=value` texts."""
    given = list(settings)
    files = [item.value for item in given if item.key == 'augmentation']
    others = [f'{item.key}={item.value}' for item in given if item.key != 'augmentation']
    return files, others


class _News:
    """What the training's thread tells the executor's; single assignments, so no lock."""

    def __init__(self) -> None:
        self.progress: TrainingProgress | None = None
        self.problem = ''
        self.validation_loss = float('nan')

    def take(self, progress: TrainingProgress) -> None:
        """Keep the newest."""
        self.progress = progress


def main() -> int:
    """Run the node."""
    return run_node(Trainer)


if __name__ == '__main__':
    raise SystemExit(main())
