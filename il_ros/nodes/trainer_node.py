"""The trainer node: offline training as a ROS action."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import KeyValue

from il_ros.action import TrainPolicy
from il_ros.algorithms.bc import BcConfig, train_bundle
from il_ros.algorithms.training_settings import TrainingProgress
from il_ros.core.config import override
from il_ros.core.errors import IlRosError, UnknownNameError, require
from il_ros.datasets.augmentation.augmentation import load_augmentation
from il_ros.ros.deferred_action import DeferredAction
from il_ros.ros.diagnostics import OK, Report, publish_diagnostics
from il_ros.ros.managed_node import ManagedNode, steady_timer
from il_ros.ros.message_conversion import key_values
from il_ros.ros.node_parameters import declare, setting
from il_ros.ros.spin import run_node
from il_ros.ros.work_thread import WorkResult, WorkThread

ALGORITHMS = ('bc',)
_WATCH = 0.2  # s
_PATIENCE = 2.0  # s that a training may take to end


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Parameters of the trainer node."""

    root: str = setting('.', 'Folder that datasets and bundles must lie in.')


class TrainerNode(ManagedNode):
    """Trains one policy at a time in a thread; a cancelled or failed training leaves nothing."""

    def __init__(self) -> None:
        super().__init__('trainer')
        self._config = declare(self, TrainerConfig)
        self._work: WorkThread[float] = WorkThread()
        self._progress: TrainingProgress | None = None  # written by the training's thread
        self._reported: TrainingProgress | None = None
        self._action = DeferredAction(
            self,
            TrainPolicy,
            '~/train',
            free=lambda: self.active and not self._work.busy,
            begin=self._begin,
        )

    def configure(self) -> None:
        """Watch the work."""
        steady_timer(self, _WATCH, self._watch)
        publish_diagnostics(self, 'training', self._report)

    def deactivate(self) -> None:
        """End the training that runs."""
        self._work.stop.set()
        self._notice_end(patience=_PATIENCE)
        if self._work.busy:
            raise IlRosError('the training has not ended within 2 s', fix='deactivate it again')

    def _begin(self, goal: TrainPolicy.Goal) -> None:
        self._progress, self._output = None, goal.output
        self._work.start(lambda: self._train(goal))

    def _watch(self) -> None:
        """Pass progress on, see to cancelling, notice the end."""
        if (progress := self._progress) is not None and progress is not self._reported:
            losses = {
                'training_loss': progress.training_loss,
                'validation_loss': progress.validation_loss,
            }
            self._action.feed_back(
                TrainPolicy.Feedback(
                    epoch=progress.epoch, epochs=progress.epochs, metrics=key_values(losses)
                )
            )
            self._reported = progress
        if self._action.cancelled:
            self._work.stop.set()
        self._notice_end()

    def _report(self) -> Report:
        progress = self._progress
        if not self._work.busy:
            return OK, 'idle', {}
        if progress is None:
            return OK, 'the dataset is being read', {}
        return OK, 'training', {'epoch': progress.epoch, 'epochs': progress.epochs}

    def _notice_end(self, patience: float = 0.0) -> None:
        if (done := self._work.take(patience)) is not None:
            self._action.finish(self._result(done))

    def _result(self, done: WorkResult[float]) -> TrainPolicy.Result:
        if done.value is None:
            return TrainPolicy.Result(message=done.problem)
        return TrainPolicy.Result(
            success=True, bundle=self._output, metrics=key_values({'validation_loss': done.value})
        )

    def _train(self, goal: TrainPolicy.Goal) -> float:
        """Train, in the work's own thread; gives the validation loss.

        Raises:
            IlRosError: If the goal makes no sense, or the training was cancelled.
        """
        if goal.algorithm not in ALGORITHMS:
            raise UnknownNameError(
                f'unknown algorithm {goal.algorithm!r}', where='algorithm', allowed=ALGORITHMS
            )
        files, settings = augmentation_files(goal.settings)
        return train_bundle(
            self._inside(goal.dataset),
            self._inside(goal.output),
            override(BcConfig(), settings),
            augmentation=load_augmentation(*map(self._inside, files)),
            on_epoch=self._on_epoch,
            cancelled=self._work.stop.is_set,
        )

    def _on_epoch(self, progress: TrainingProgress) -> None:
        self._progress = progress

    def _inside(self, path: str) -> Path:
        root = Path(self._config.root).resolve()
        resolved = (root / path).resolve()
        inside = path and resolved.is_relative_to(root)
        require(inside, path, 'path', f'a folder inside {root} (parameter root)')
        return resolved


def augmentation_files(settings: Iterable[KeyValue]) -> tuple[list[str], list[str]]:
    """Part a goal's settings into the files of the key `augmentation`, and `name=value` texts."""
    given = list(settings)
    files = [item.value for item in given if item.key == 'augmentation']
    others = [f'{item.key}={item.value}' for item in given if item.key != 'augmentation']
    return files, others


main = partial(run_node, TrainerNode)
"""Run the node, then end the process with its exit code."""

if __name__ == '__main__':
    main()
