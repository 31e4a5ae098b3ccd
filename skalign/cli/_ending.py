"""How the process ends: with one line on standard error, also after a signal.

It imports little, so that a signal during slow imports is handled already.
"""

import signal
import sys
import threading
from contextlib import contextmanager, suppress


def fail(text, status=2):
    with suppress(OSError):
        print("skalign:", *text.split(), file=sys.stderr)
    return status


@contextmanager
def ending_as_interrupts():
    """Raise a KeyboardInterrupt, with its number, for a signal that ends the process.

    Temporary files are deleted then. A signal that is handled or ignored already, and
    all signals outside of the main thread, are left as they are.
    """
    in_main = threading.current_thread() is threading.main_thread()
    numbers = [vars(signal).get(name) for name in ("SIGTERM", "SIGHUP")]
    changed = [
        number
        for number in numbers
        if in_main and number and signal.getsignal(number) is signal.SIG_DFL
    ]

    def interrupt(number, frame):
        raise KeyboardInterrupt(number)

    try:
        for number in changed:
            signal.signal(number, interrupt)
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)
