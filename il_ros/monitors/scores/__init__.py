"""Scores that say how strange a tick is, one file each, one protocol."""
