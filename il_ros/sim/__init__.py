"""The built-in simulator: an arm from primitive shapes, tasks, perturbations; needs no ROS."""
