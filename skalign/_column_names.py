"""Names of the columns of both sides, remembered and compared."""

import warnings

import numpy as np
from sklearn.utils.validation import _get_feature_names

_SIDES = ("feature_names_in_", "target_names_in_")
_SINCE_FIT = (
    "Feature names unseen at fit time:",
    "Feature names seen at fit time, yet now missing:",
    "Feature names must be in the same order as they were in fit.",
)


def column_names(rows):
    """Return the names that scikit-learn takes, all strings, or None.

    A named Series has one.
    """
    name = getattr(rows, "name", None)
    if isinstance(name, str) and hasattr(rows, "to_frame"):  # of a Series
        return np.array([name], dtype=object) if name else None
    return _get_feature_names(rows)


def check_target_names(estimator, y, *, reset=False, name="y"):
    """Remember the column names of target rows, or compare them with those of `fit`.

    With ``reset=True`` sets `target_names_in_` on `estimator`, or deletes it where
    `y` has no names.

    Raises
    ------
    ValueError
        If the names or their order are not those of `fit`.
    TypeError
        If some names are strings and others are not.
    """
    names = column_names(y)
    if reset:
        remember_names(estimator, names, _SIDES[1])
    else:
        compare_names(estimator, names, getattr(estimator, _SIDES[1], None), name)


def merge_names(estimator, other, *, seen=(True, True), others=(True, True)):
    """Compare the column names of two estimators, side by side.

    Parameters
    ----------
    estimator, other : estimator
        What is known to `other` alone is set on `estimator`.
    seen, others : tuple of length 2
        What each of them knows of the source and of the target; None where it has
        seen no rows of a side.
    """
    for side, mine, theirs in zip(_SIDES, seen, others, strict=True):
        names = getattr(other, side, None)
        if mine is not None and theirs is not None:
            compare_names(estimator, names, getattr(estimator, side, None), "other")
        elif theirs is not None:
            remember_names(estimator, names, side)
    check_same_features(estimator)


def check_same_features(estimator, name="y"):
    """Refuse source and target columns whose names or order differ.

    For an estimator with `_same_features`, whose sides hold the same features, and
    where both sides have names.
    """
    source, target = (getattr(estimator, side, None) for side in _SIDES)
    if not getattr(estimator, "_same_features", False) or source is None:
        return
    texts = (
        f"Feature names of {name} that X lacks:",
        f"Feature names of X that {name} lacks:",
        "Feature names must be in the same order in both.",
    )
    if target is not None and (difference := _difference(target, source, texts)):
        raise ValueError(
            f"{type(estimator).__name__} needs the same columns in X and in {name}.\n"
            + difference
        )


def remember_names(estimator, names, side):
    vars(estimator).pop(side, None)
    if names is not None:
        setattr(estimator, side, names)


def _difference(names, fitted, texts):
    """Describe how names differ from fitted ones; an empty string if they do not."""
    if np.array_equal(names, fitted):
        return ""
    lines = []
    for some, others, text in ((names, fitted, texts[0]), (fitted, names, texts[1])):
        if missing := sorted({*some} - {*others}):
            lines += [text, *(f"- {name}" for name in missing[:5])]
            lines += ["- ..."] * (len(missing) > 5)
    return "\n".join(lines or [texts[2]]) + "\n"


def compare_names(estimator, names, fitted, what):
    """Compare the names of columns with fitted ones, as scikit-learn does for `X`.

    Warns where only one of the two is not None.

    Raises
    ------
    ValueError
        If the names or their order differ.
    """
    owner = type(estimator).__name__
    if fitted is None and names is not None:
        # What `transform` has made of columns without names may come back.
        own = [f"{owner.lower()}{i}" for i in range(len(names))]
        names = None if np.array_equal(names, own) else names
    if (names is None) != (fitted is None):
        found = "has" if fitted is None else "does not have valid"
        without = "without" if fitted is None else "with"
        warnings.warn(
            f"{what} {found} feature names, but {owner} was fitted {without} feature "
            "names",
            UserWarning,
            stacklevel=4,
        )
    elif names is not None and (difference := _difference(names, fitted, _SINCE_FIT)):
        of = "" if what == "X" else f" of {what}"
        raise ValueError(
            f"The feature names{of} should match those that were passed during fit.\n"
            + difference
        )
