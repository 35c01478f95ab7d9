"""The ROS-free part, for training machines: ``pip install .[train]``.

On a robot, and for everything with ROS in it, the package is built by colcon from CMakeLists.txt.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

root = Path(__file__).parent
version = re.search(r"__version__ = '(.+)'", (root / 'il_ros/__init__.py').read_text())[1]


def pins(*files):
    """Lines of these files of requirements."""
    lines = [line for file in files for line in (root / f'requirements/{file}.txt').open()]
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


setup(
    name='il_ros',
    version=version,
    description='Teach a robot arm by demonstration on the ROS 2 graph it already has.',
    license='Apache-2.0',
    python_requires='>=3.11',
    packages=find_packages(include=['il_ros', 'il_ros.*'], exclude=['il_ros.nodes', 'il_ros.ros']),
    package_data={'il_ros': ['**/*.j2', '**/*.css']},
    install_requires=['numpy', 'PyYAML', 'tyro', 'rich'],
    extras_require={
        'train': pins('robot', 'train'),
        **{extra: pins(extra) for extra in ('interop', 'signing', 'view')},
    },
    entry_points={'console_scripts': ['il_ros = il_ros.cli.main:main']},
)
