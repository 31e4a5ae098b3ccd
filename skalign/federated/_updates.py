"""Removal of invalid updates on the server."""

import logging
from numbers import Integral

logger = logging.getLogger("skalign.federated")


def keep_sound(updates, problem):
    """Leave out invalid updates, with a warning in the log for each.

    Parameters
    ----------
    updates : iterable of (str, object)
        Names of clients and their updates.
    problem : callable
        Function of an update that returns its problem as a str, or None.

    Returns
    -------
    sound : list of object
        Valid updates.
    """
    sound = []
    for name, update in updates:
        if reason := problem(update):
            logger.warning("The update of client %s is left out: %s", name, reason)
        else:
            sound.append(update)
    return sound


def is_count(value):
    """Return whether a value is an integer from 1 to 2**53, exact in float64."""
    return (
        isinstance(value, Integral)
        and not isinstance(value, bool)
        and 1 <= value <= 2**53
    )
