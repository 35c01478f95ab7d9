"""A mark for the tests that need MetaWorld's environment."""

import pytest

from il_ros.core.errors import IlRosError
from il_ros.sim.mujoco_versions import require_metaworld

try:
    require_metaworld()
except IlRosError as problem:
    WHY = f'{problem}; make metaworld-test runs it'
else:
    WHY = ''

needs_metaworld = pytest.mark.skipif(bool(WHY), reason=WHY)
