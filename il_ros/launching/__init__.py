"""Runs the package's XML launch files where ROS's own launch system is not installed."""
