import os
from functools import partial

import pytest
from bag_faults import write_episode
from episode_fixtures import *  # noqa: F403


@pytest.fixture
def episode(open_writer):
    """Write an episode of numbered strings."""
    return partial(write_episode, open_writer)


@pytest.fixture
def no_sync(monkeypatch):
    """Hundreds of recoveries in seconds: this machine does not lose power during a test."""
    monkeypatch.setattr(os, 'fsync', lambda _: None)
    monkeypatch.setattr(os, 'fdatasync', lambda _: None)
