"""Timings and peak memory, followed by asv."""
