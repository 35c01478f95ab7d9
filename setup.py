"""The ROS-free part, for training machines: ``pip install .[train]``.

On a robot, and for everything with ROS in it, the package is built by colcon from CMakeLists.txt.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

root = Path(__file__).parent
version = re.search(r"__version__ = '(.+)'", (root / 'il_ros/__init__.py').read_text())[1]


def pins(extra):
    """Lines of the requirements file that is named after the extra."""
    lines = (root / f'requirements/{extra}.txt').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


setup(
    name='il_ros',
    version=version,
    description='Teach a robot arm by demonstration on the ROS 2 graph it already has.',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=find_packages(include=['il_ros', 'il_ros.*'], exclude=['il_ros.nodes', 'il_ros.ros']),
    package_data={'il_ros': ['**/*.j2', '**/*.css']},
    install_requires=['numpy', 'PyYAML', 'tyro', 'rich'],
    extras_require={extra: pins(extra) for extra in ('train', 'interop', 'signing', 'view')},
    entry_points={'console_scripts': ['il_ros = il_ros.cli.main:main']},
)
