"""An operator's device as an expert: what it says, and how that becomes set-points; without ROS."""
