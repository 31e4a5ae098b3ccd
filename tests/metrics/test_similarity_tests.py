"""Permutation tests of paired similarities."""

from functools import partial

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy.stats import kstest

from skalign.metrics import (
    cca_similarity,
    cka,
    mmd,
    mutual_knn,
    procrustes_distance,
    rsa_correlation,
    rv_coefficient,
    similarity_test,
    svcca,
)

METRICS = {
    "cka": cka,
    "cka debiased": partial(cka, debiased=True),
    "cka rbf": partial(cka, kernel="rbf"),
    "cka rbf debiased": partial(cka, kernel="rbf", gamma=0.3, debiased=True),
    "rv": rv_coefficient,
    "rv modified": partial(rv_coefficient, modified=True),
    "cca": cca_similarity,
    "svcca": svcca,
    "svcca share": partial(svcca, explained_variance=0.7),
    "procrustes": procrustes_distance,
    "rsa": rsa_correlation,
    "rsa cosine": partial(rsa_correlation, metric="cosine", correlation="pearson"),
    "knn": mutual_knn,
    "knn euclidean": partial(mutual_knn, n_neighbors=3, metric="euclidean"),
}
every = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


def _related(n_samples, widths=(4, 6), noise=2.0, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, widths[0])) + 1
    Y = X @ rng.normal(size=widths) + noise * rng.normal(size=(n_samples, widths[1]))
    return X, Y


@every
@pytest.mark.parametrize("widths", [(4, 6), (40, 3), (30, 50)])
def test_permuted_values_are_those_of_permuted_samples(metric, widths):
    X, Y = _related(20, widths)
    result = similarity_test(metric, X, Y, n_permutations=6, random_state=3)
    assert result.statistic == metric(X, Y)
    random_state = np.random.RandomState(3)
    expected = [metric(X, Y[random_state.permutation(20)]) for _ in range(6)]
    assert_allclose(result.null_distribution, expected, rtol=0, atol=1e-7)


@every
def test_the_pvalue_counts_permutations_that_are_as_similar(metric):
    X, Y = _related(15, noise=8.0)
    statistic, pvalue, others = similarity_test(
        metric, X, Y, n_permutations=39, random_state=0
    )
    sign = -1 if metric is procrustes_distance else 1
    as_similar = np.sum(sign * others >= sign * statistic - 1e-9)
    assert pvalue == (1 + as_similar) / 40


@every
def test_related_samples_have_the_least_pvalue(metric):
    X, Y = _related(60, noise=0.1)
    assert similarity_test(metric, X, Y, n_permutations=99).pvalue == 0.01


@pytest.mark.long
@pytest.mark.parametrize(
    "metric", [cka, rsa_correlation, cca_similarity], ids=lambda m: m.__name__
)
def test_pvalues_of_unrelated_samples_are_uniform(metric):
    pvalues = []
    for seed in range(100):
        X, Y = np.random.default_rng(seed).normal(size=(2, 12, 4))
        result = similarity_test(metric, X, Y, n_permutations=19, random_state=seed)
        pvalues.append(result.pvalue)
    # Between neighbouring multiples of 1 / 20 the distribution may be anything.
    jitter = np.random.default_rng(0).uniform(size=100) / 20
    assert kstest(np.array(pvalues) - jitter, "uniform").pvalue > 0.01


@every
def test_samples_that_are_all_equal_have_no_relation(metric):
    X, Y = _related(14)
    result = similarity_test(metric, np.zeros_like(X), Y, n_permutations=9)
    assert result.statistic == metric(np.zeros_like(X), Y)
    if not str(metric).count("mutual_knn"):  # ties are broken by position
        assert result.pvalue == 1


def test_canonical_correlations_that_are_always_one_have_the_pvalue_one():
    X, Y = np.random.default_rng(0).normal(size=(2, 12, 11))
    result = similarity_test(cca_similarity, X, Y, n_permutations=19)
    assert_allclose(result.statistic, 1)
    assert result.pvalue == 1


def test_draws_are_repeatable():
    X, Y = _related(20)
    one, two = (similarity_test(cka, X, Y, random_state=5) for _ in range(2))
    assert_allclose(one.null_distribution, two.null_distribution, rtol=0)
    assert len(one.null_distribution) == 999


@pytest.mark.parametrize(
    "metric", [mmd, np.dot, partial(cka, np.ones((4, 2)))], ids=["mmd", "dot", "args"]
)
def test_other_functions_are_refused(metric):
    X, Y = _related(12)
    with pytest.raises(ValueError, match="must be one of cca_similarity, cka, mutual"):
        similarity_test(metric, X, Y)


def test_arguments_of_the_metric_are_checked():
    X, Y = _related(12)
    with pytest.raises(ValueError, match="n_neighbors=12 must be less than n_samples"):
        similarity_test(partial(mutual_knn, n_neighbors=12), X, Y)
    with pytest.raises(ValueError, match="X has 12 samples, but Y has 11"):
        similarity_test(cka, X, Y[1:])
    with pytest.raises(ValueError, match="n_permutations"):
        similarity_test(cka, X, Y, n_permutations=0)


def test_a_matrix_of_pairs_above_the_working_memory_is_refused():
    X, Y = np.ones((2, 400, 1))
    with (
        sklearn.config_context(working_memory=1),
        pytest.raises(ValueError, match="working_memory"),
    ):
        similarity_test(cca_similarity, X, Y)
