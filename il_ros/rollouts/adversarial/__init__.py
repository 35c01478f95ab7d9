"""Search for the smallest disturbances that make a policy fail."""
