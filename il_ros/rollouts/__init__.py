"""Episodes in one process: simulator, policy and monitor without ROS."""
