"""Work on many bags at once, in processes that end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

Job = TypeVar('Job')
Result = TypeVar('Result')


def worker_count(jobs: int, tasks: int) -> int:
    """How many processes to use: `jobs`, or one a core for 0, and never more than tasks."""
    return max(1, min(jobs or len(os.sched_getaffinity(0)), tasks))


def run_all(
    call: Callable[[Job], Result], tasks: Sequence[Job], workers: int, lost: Callable[[Job], Result]
) -> Iterator[tuple[int, Result]]:
    """The result of `call` for each task, with the task's index, as they come in.

    Args:
        call: What to do; for more than one worker, a function of a module.
        tasks: What to do it to.
        workers: Processes; with 1 it is done in this one.
        lost: Gives the result of a task whose process died.
    """
    if workers == 1:
        yield from ((index, call(task)) for index, task in enumerate(tasks))
        return
    left = set(range(len(tasks)))
    try:
        for index, result in _parallel(call, tasks, sorted(left), workers):
            left.discard(index)
            yield index, result
    except BrokenProcessPool:
        # Which task was to blame cannot be known: each of those left gets a process of its own.
        for index in sorted(left):
            try:
                yield from _parallel(call, tasks, [index], 1)
            except BrokenProcessPool:
                yield index, lost(tasks[index])


def _parallel(
    call: Callable[[Job], Result], tasks: Sequence[Job], indices: Sequence[int], workers: int
) -> Iterator[tuple[int, Result]]:
    with _pool(workers) as pool:
        futures: dict[Future[Result], int] = {pool.submit(call, tasks[i]): i for i in indices}
        for future in as_completed(futures):
            yield futures.pop(future), future.result()


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: a fork of a process with threads (ROS, torch, OpenCV) may lock up.
    context = multiprocessing.get_context('spawn')
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_enter)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _enter() -> None:
    """At the start of a worker: its parent ends it, not the terminal's Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
