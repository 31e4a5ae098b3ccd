"""What a server does with updates it cannot use."""

import logging

logger = logging.getLogger("skalign.federated")


def keep_sound(updates, problem):
    """Leave out malformed updates, with a line in the log for each.

    Parameters
    ----------
    updates : dict
        Updates, by the name of the client.
    problem : callable
        Takes an update and returns what is wrong with it, a str, or None.

    Returns
    -------
    sound : dict
        The others.
    """
    sound = {}
    for name, update in updates.items():
        if reason := problem(update):
            logger.warning("The update of client %s is left out: %s", name, reason)
        else:
            sound[name] = update
    return sound
