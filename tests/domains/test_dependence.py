"""Facts about the dependence of found domains on given ones."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2, chi2_contingency, kstest
from sklearn.linear_model import LogisticRegression

from skalign.domains import domain_dependence, partition_domains


def _division(seed, shortcut, noise=(0.25, 0.25), n=1200):
    """Two given domains whose shortcut agrees in `shortcut`; wrong labels."""
    rng = np.random.default_rng(seed)
    given = np.arange(n) % 2
    cause = rng.integers(2, size=n)
    y = cause ^ (rng.random(n) < np.take(noise, given))
    cue = y ^ (rng.random(n) > np.take(shortcut, given))
    X = np.c_[cause, cue] + 0.1 * rng.normal(size=(n, 2))
    model = LogisticRegression()  # the default compares five
    found = partition_domains(X, y, local_model=model, random_state=seed)
    return found.domain, given, y


def test_one_class_gives_the_chi_square_of_a_table():
    rng = np.random.default_rng(0)
    domain, given = rng.integers([3, 4], size=(500, 2)).T
    table = np.zeros((3, 4), int)
    np.add.at(table, (domain, given), 1)
    expected = chi2_contingency(table, correction=False)
    result = domain_dependence(domain, given, np.zeros(500, int))
    assert_allclose(result.statistic, expected.statistic * 499 / 500)
    assert_allclose(result.pvalue, chi2.sf(expected.statistic * 499 / 500, 6))


def test_two_domains_give_the_statistic_of_mantel_and_haenszel():
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=500)
    given = rng.random(500) < 0.3 + 0.1 * y
    domain = rng.random(500) < 0.3 + 0.2 * given
    excess = variance = 0
    for c in range(4):
        n, a, b = np.sum(y == c), np.sum(domain[y == c]), np.sum(given[y == c])
        excess += np.sum(domain & given & (y == c)) - a * b / n
        variance += a * (n - a) * b * (n - b) / (n**2 * (n - 1))
    result = domain_dependence(domain, given, y)
    assert_allclose(result.statistic, excess**2 / variance)


def test_many_classes_cost_no_power():
    rng = np.random.default_rng(0)
    given, y = np.repeat([0, 1], 850), rng.integers(50, size=1700)
    found = rng.random(1700) < np.where(given, 0.9, 0.8)
    whole = domain_dependence(found, given, np.zeros(1700, int)).pvalue
    assert domain_dependence(found, given, y).pvalue < 10 * whole < 1e-4


def test_values_are_uniform_for_independent_domains_of_unequal_classes():
    rng = np.random.default_rng(0)
    values = []
    for _ in range(200):
        y = rng.integers(2, size=400)
        given = rng.random(400) < np.where(y, 0.7, 0.3)
        found = rng.random(400) < np.where(y, 0.6, 0.2)
        values.append(domain_dependence(found, given, y).pvalue)
    assert kstest(values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_a_division_by_the_shortcut_depends_on_given_domains(seed):
    assert domain_dependence(*_division(seed, (0.95, 0.8))).pvalue < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_a_division_by_the_cause_does_not(seed):
    found = _division(seed, (0.65, 0.5), noise=(0.1, 0.1))
    assert domain_dependence(*found).pvalue > 0.01


def test_unequal_shares_of_wrong_labels_look_like_a_shortcut():
    found = _division(0, (0.65, 0.5), noise=(0.02, 0.2))
    assert domain_dependence(*found).pvalue < 0.01


def test_one_domain_depends_on_nothing():
    assert domain_dependence([0] * 4, [0, 1, 0, 1], [0, 0, 1, 1]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([0, 1], [0, 1, 1], [0, 1, 1]), "inconsistent numbers of samples"),
        (([0, 1], [0, 1], [0, np.nan]), "y holds NaN"),
    ],
)
def test_what_does_not_suit_is_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        domain_dependence(*parts)
