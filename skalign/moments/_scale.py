"""The scale rule: sums are refused if their products overflow or underflow."""

from numbers import Real

import numpy as np
from sklearn.utils.validation import check_array, check_scalar

_ADVICE = "Scale the columns, for example by StandardScaler."


def check_sizes(values, name, *, finite=True):
    """Validate a number or numbers, as float64."""
    # `check_array` takes longer than the computation with a few sizes.
    plain = isinstance(values, np.ndarray) and values.dtype == np.float64
    if plain and values.ndim == 1 and (not finite or np.isfinite(values).all()):
        return values
    return check_array(
        np.asarray(values) if np.isscalar(values) else values,
        dtype=np.float64,
        ensure_2d=False,
        ensure_min_samples=0,
        ensure_all_finite=finite,
        input_name=name,
    )


def check_sums(sums, dtype=np.float64):
    """Raise an error if sums of products in the given precision are not finite."""
    if not np.isfinite(sums).all():
        raise ValueError(f"The sums overflow {np.dtype(dtype)}. {_ADVICE}")


def check_scale(largest, dtype, name, *, degree=2, n_terms=1):
    """Raise an error if products of a column overflow or underflow a dtype.

    The largest absolute value of a column, to the power `degree`, must not overflow and
    must be at least ``tiny / eps`` of the dtype, so that products of smaller entries
    are normal numbers too.

    Parameters
    ----------
    largest : ndarray of shape (n_features,)
        Largest absolute value of each column. Columns of zeros are not checked.
    dtype : dtype
        Precision of the products.
    name : str
        Name of the samples in the error.
    degree : int, default=2
        Number of factors of a product.
    n_terms : int, default=1
        Number of products whose sum must not overflow either.

    Raises
    ------
    ValueError
        If a product would overflow or underflow, `dtype` is not a floating-point dtype,
        or `degree` or `n_terms` is below 1.
    """
    largest = check_sizes(largest, "largest", finite=False)
    check_scalar(degree, "degree", Real, min_val=1)
    check_scalar(n_terms, "n_terms", Real, min_val=1)
    try:
        info = np.finfo(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"dtype={dtype!r} must be one of floats.") from error
    least = (float(info.tiny) / float(info.eps)) ** (1 / degree)
    most = (float(info.max) / n_terms) ** (1 / degree)
    for what, bad in (
        ("underflow", (largest > 0) & (largest < least)),
        ("overflow", ~(largest <= most)),
    ):
        if bad.any():
            column = int(np.argmax(bad))
            raise ValueError(
                f"The sums {what} {info.dtype}: column {column} of {name} holds "
                f"values of up to {largest[column]:.2g} about their mean, outside "
                f"{least:.0e} to {most:.0e}. {_ADVICE}"
            )
