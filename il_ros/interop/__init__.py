"""Datasets of other formats, in and out: LeRobot v3.0 and robomimic HDF5."""
