"""Contracts for robots: written from what is seen of one, and held against it."""
