"""Scheduled work: reports, billing, the demo."""
