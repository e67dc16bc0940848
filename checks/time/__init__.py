"""Clocks and heartbeats."""
