"""Teach a robot arm by demonstration on the ROS 2 graph it already has."""

from pkgutil import extend_path

# The ROS interfaces (il_ros.msg, .srv, .action) are generated into a package of the same name
# elsewhere on the path; a source tree and that package are one package to the importer.
__path__ = extend_path(__path__, __name__)
__version__ = '0.1.0'
