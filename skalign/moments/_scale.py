"""The scale rule: sums are refused where their products overflow or underflow."""

import numpy as np


def check_scale(largest, dtype, name, *, degree=2):
    """Refuse columns whose products cannot be formed in the given precision.

    A product of `degree` entries of the size of a column's largest must be a normal
    number that keeps all of its digits next to those of smaller entries.

    Parameters
    ----------
    largest : ndarray of shape (n_features,)
        Largest absolute value of each column. Columns of zeros are not judged.
    dtype : dtype
        Precision of the products.
    name : str
        Name of the rows, for the error.
    degree : int, default=2
        Number of factors of a product.

    Raises
    ------
    ValueError
        If a product would overflow or underflow.
    """
    info, largest = np.finfo(dtype), np.asarray(largest, dtype=np.float64)
    least = (float(info.tiny) / float(info.eps)) ** (1 / degree)
    most = float(info.max) ** (1 / degree)
    for what, bad in (
        ("underflow", (largest > 0) & (largest < least)),
        ("overflow", ~(largest <= most)),
    ):
        if bad.any():
            column = int(np.argmax(bad))
            raise ValueError(
                f"The sums {what} {np.dtype(dtype)}: column {column} of {name} holds "
                f"values of up to {largest[column]:.2g} about their mean, outside "
                f"{least:.0e} to {most:.0e}. Scale the columns, for example by "
                "StandardScaler."
            )
