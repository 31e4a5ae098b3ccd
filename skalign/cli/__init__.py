"""Command line to compare maps, fit a map and apply it."""

import signal
import sys

from skalign.cli._ending import ending_as_interrupts, fail

__all__ = ["main"]


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, default=None
        Words after ``skalign``. None uses ``sys.argv``.

    Returns
    -------
    status : int
        Exit status: 0 for success, 1 if a condition of ``--fail-if`` holds, 2 for
        invalid input or an output that cannot be written, 130 after an interrupt, 143
        after SIGTERM.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with ending_as_interrupts():
            from skalign.cli._main import run

            return run(words)
    except KeyboardInterrupt as interrupt:
        number = next(iter(interrupt.args), signal.SIGINT)
        return fail("interrupted", 128 + number)
