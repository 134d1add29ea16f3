"""Copies of one upload, near-copies among them, and held-out videos."""
