"""Watching applications and receiving what was seen."""
