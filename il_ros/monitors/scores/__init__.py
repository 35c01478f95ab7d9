"""Scores that say how anomalous a tick is, one file each, one protocol."""
