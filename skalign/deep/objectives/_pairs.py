"""Averages over pairs of domains."""

from itertools import combinations


def mean_over_pairs(n_domains, distance):
    """Average ``distance(a, b)`` over all pairs of domain numbers."""
    pairs = list(combinations(range(n_domains), 2))
    if not pairs:
        raise ValueError("At least 2 domains are compared.")
    return sum(distance(a, b) for a, b in pairs) / len(pairs)
