"""Command line to compare maps, fit a map and apply it."""

from skalign.cli._main import main

__all__ = ["main"]
