"""What a server does with updates it cannot use."""

import logging
from numbers import Integral

logger = logging.getLogger("skalign.federated")


def keep_sound(updates, problem):
    """Leave out malformed updates, with a line in the log for each.

    Parameters
    ----------
    updates : iterable of (str, object)
        Names of clients, and their updates.
    problem : callable
        Takes an update and returns what is wrong with it, a str, or None.

    Returns
    -------
    sound : list of object
        The other updates.
    """
    sound = []
    for name, update in updates:
        if reason := problem(update):
            logger.warning("The update of client %s is left out: %s", name, reason)
        else:
            sound.append(update)
    return sound


def is_count(value):
    """Whether a value counts rows: a whole number from 1 on that floats hold."""
    return (
        isinstance(value, Integral)
        and not isinstance(value, bool)
        and 1 <= value <= 2**53
    )
