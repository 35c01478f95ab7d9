"""Measures of policies and monitors, and the reports that show them."""
