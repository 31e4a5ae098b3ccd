"""Compare maps, fit one and apply it from the command line."""

from skalign.cli._main import main

__all__ = ["main"]
