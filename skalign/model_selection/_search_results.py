"""Tables of the outcomes of a search, as scikit-learn makes them."""

from warnings import warn

import numpy as np
from scipy.stats import rankdata
from sklearn.exceptions import FitFailedWarning

from skalign._warnings import user_level


def cv_results(outcomes, params, error_score, return_train_score):
    """Tabulate outcomes of shape (n_candidates, n_splits) as scikit-learn does.

    Returns
    -------
    results : dict of ndarray
    metrics : list of str, or None for a single metric
    """
    results = {}

    def store(name, values, splits=False):
        values = np.array(values, dtype=np.float64)
        if splits:
            for k, column in enumerate(values.T):
                results[f"split{k}_{name}"] = column
        results[f"mean_{name}"] = values.mean(axis=1)
        results[f"std_{name}"] = values.std(axis=1)

    store("fit_time", [[outcome.fit_time for outcome in row] for row in outcomes])
    store("score_time", [[outcome.score_time for outcome in row] for row in outcomes])
    for name in dict.fromkeys(name for candidate in params for name in candidate):
        values = {i: one[name] for i, one in enumerate(params) if name in one}
        kinds = {type(value) for value in values.values()}
        plain = len(kinds) == 1 and kinds <= {int, float}
        column = np.ma.masked_all(len(params), kinds.pop() if plain else object)
        for i, value in values.items():
            column[i] = value
        results[f"param_{name}"] = column
    results["params"] = params

    flat = [outcome for row in outcomes for outcome in row]
    known = next((o.test_scores for o in flat if o.test_scores is not None), None)
    metrics = list(known) if isinstance(known, dict) else None
    for metric in metrics or ["score"]:
        for side in ("test", "train") if return_train_score else ("test",):
            values = [
                [outcome.value(side, metric, error_score) for outcome in row]
                for row in outcomes
            ]
            store(f"{side}_{metric}", values, splits=True)
            if side == "test":
                means = results[f"mean_test_{metric}"]
                means = np.nan_to_num(means, nan=np.nanmin([*means, 0.0]) - 1)
                ranks = rankdata(-means, method="min").astype(np.int32)
                results[f"rank_test_{metric}"] = ranks
    return results, metrics


def warn_of_failures(outcomes, error_score):
    """Raise if all fits failed; warn if some fits or scores did."""
    fits = [outcome.fit_error for outcome in outcomes if outcome.fit_error]
    scores = [error for outcome in outcomes for error in outcome.errors()]
    if len(fits) == len(outcomes):
        raise ValueError(f"All {len(fits)} fits failed. The first:\n{fits[0]}")
    if fits:
        warn(
            f"{len(fits)} of {len(outcomes)} fits failed; their scores are set to "
            f"{error_score}. The first:\n{fits[0]}",
            FitFailedWarning,
            stacklevel=user_level(),
        )
    if scores:
        warn(
            f"Scoring failed {len(scores)} times; these scores are set to "
            f"{error_score}. The first:\n{scores[0]}",
            UserWarning,
            stacklevel=user_level(),
        )
