from episode_fixtures import *  # noqa: F403
