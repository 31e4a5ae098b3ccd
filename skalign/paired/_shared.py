"""What fits to the same pairs have in common."""

from collections.abc import Callable, Hashable
from typing import Any


class Shared:
    """Results that fits to the same pairs share; each is computed once.

    Parameters
    ----------
    moments : Moments, default=None
        Sums over the pairs, if they are known.
    """

    def __init__(self, moments: Any = None) -> None:
        self.moments = moments
        self._results = {}

    def once(self, compute: Callable[[], Any], *key: Hashable) -> Any:
        """Return the result of the first call with this key; it must not be changed."""
        if key not in self._results:
            self._results[key] = compute()
        return self._results[key]
