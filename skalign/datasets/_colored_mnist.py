"""Digits whose colour predicts the class in training but not at test time."""

import os
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import (
    Bunch,
    check_array,
    check_consistent_length,
    check_random_state,
)
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.validation import column_or_1d

from skalign._validation import Interval, check_numbers
from skalign.datasets._idx import load_idx

_FLIPS = {"domainbed": (0.1, 0.2, 0.9), "irm": (0.2, 0.1, 0.9)}

_DESCR = """\
Coloured digits
---------------

{n_samples} images of {size} pixels, 0 to 1, in environments of sizes {sizes}.
The class is 1 for a digit below 5, else 0, and is then flipped with probability
{label_noise}. The colour is the channel that contains the digit; it equals the class,
flipped with the probability {flips} of the environment. From shape alone, the class can
be predicted with an accuracy of at most {ceiling:g} in every environment.
"""


@validate_params(
    {
        "images": ["array-like", None],
        "target": ["array-like", None],
        "variant": [StrOptions(set(_FLIPS))],
        "flip_probabilities": ["array-like", None],
        "label_noise": [Interval(Real, 0, 1, closed="both")],
        "directory": [str, os.PathLike],
        "data_home": [str, os.PathLike, None],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_colored_mnist(
    images: ArrayLike | None = None,
    target: ArrayLike | None = None,
    *,
    variant: Literal["domainbed", "irm"] = "domainbed",
    flip_probabilities: ArrayLike | None = None,
    label_noise: float = 0.25,
    directory: str | os.PathLike[str] = "mnist",
    data_home: str | os.PathLike[str] | None = None,
    random_state: int | np.random.RandomState | None = None,
    return_X_y: bool = False,
) -> Any:
    """Generate coloured digits in environments where colour and class correlate.

    In the training environments the colour of a digit predicts its class better than
    its shape; in the last environment the correlation is reversed. The accuracy of a
    classifier there shows which of the two it has learnt. Read more in the
    :ref:`User Guide <colored_data>`.

    Parameters
    ----------
    images : array-like of shape (n_samples, height, width), default=None
        Greyscale images, as uint8 or as numbers from 0 to 1. None reads MNIST.
    target : array-like of shape (n_samples,), default=None
        Digit of each image, 0 to 9. Required if `images` is given.
    variant : {"domainbed", "irm"}, default="domainbed"
        Protocol. "domainbed" [2]_ shuffles all 70,000 digits of MNIST and distributes
        them evenly over the environments. "irm" [1]_ keeps every second pixel of every
        second row and uses the training digits of MNIST only; the last sixth, 10,000,
        is the last environment, and the others are shuffled and distributed over the
        remaining ones, 25,000 each.
    flip_probabilities : array-like of shape (n_domains,), default=None
        Probability that the colour differs from the class, for each environment. None
        is (0.1, 0.2, 0.9) for "domainbed" and (0.2, 0.1, 0.9) for "irm".
    label_noise : float, default=0.25
        Probability that the class is flipped.
    directory, data_home : str or path-like, default="mnist" and None
        Location of the files of MNIST, as in `load_idx`.
    random_state : int, RandomState instance or None, default=None
        Seed of the order, the classes and the colours.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    digits : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (n_samples, 2, height, width), of float32
            Pixel values, from 0 to 1, sorted by environment.
        target : ndarray of shape (n_samples,)
            Class, 0 or 1, after label noise.
        sample_domain : ndarray of shape (n_samples,)
            Environment, numbered from 0.
        domain_names : list of str
            Share of samples whose colour and class agree, such as "+90%"; with a minus
            sign, the share that disagree, if that is larger.
        color : ndarray of shape (n_samples,)
            Channel that contains the digit, 0 or 1.
        digit : ndarray of shape (n_samples,)
            Digit, 0 to 9.
        indices : ndarray of shape (n_samples,)
            Position of the sample in the input images.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If `images` is None and the files of MNIST are not found.
    ValueError
        If only one of `images` and `target` is given, their lengths differ, an image
        is not of bytes or numbers from 0 to 1, a digit is not 0 to 9, a flip
        probability is not from 0 to 1, or there are fewer images than environments.

    References
    ----------
    .. [1] M. Arjovsky, L. Bottou, I. Gulrajani and D. Lopez-Paz, "Invariant risk
       minimization", arXiv:1907.02893, 2019: section 5.2.
    .. [2] I. Gulrajani and D. Lopez-Paz, "In search of lost domain generalization",
       ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skalign.datasets import make_colored_mnist
    >>> digits = load_digits()  # in place of MNIST
    >>> colored = make_colored_mnist(
    ...     digits.images / 16, digits.target, random_state=0
    ... )
    >>> colored.data.shape, colored.domain_names
    ((1797, 2, 8, 8), ['+90%', '+80%', '-90%'])
    >>> agree = colored.color == colored.target
    >>> [f"{agree[colored.sample_domain == e].mean():.2f}" for e in range(3)]
    ['0.90', '0.82', '0.11']
    """
    if (images is None) != (target is None):
        raise ValueError("images and target must be given together, or neither.")
    if images is None:
        subset = "train" if variant == "irm" else "all"
        mnist = load_idx(directory, subset=subset, data_home=data_home)
        images, target = mnist.images, mnist.target
    images, digit = _check_digits(images, target)
    if flip_probabilities is None:
        flip_probabilities = _FLIPS[variant]
    flips = check_numbers(flip_probabilities, "flip_probabilities", most=1)
    if variant == "irm" and len(flips) < 2:
        raise ValueError("variant='irm' needs at least two environments; got one.")
    rng = check_random_state(random_state)
    if variant == "irm":
        images = images[:, ::2, ::2]
        groups = _last_sixth_apart(len(images), len(flips), rng)
    else:
        order = rng.permutation(len(images))
        groups = [order[place :: len(flips)] for place in range(len(flips))]
    sizes = [len(group) for group in groups]
    if min(sizes) == 0:
        raise ValueError(
            f"{len(images)} images are too few for {len(flips)} environments of "
            f"variant={variant!r}: they would hold {sizes}."
        )
    indices, domain = np.concatenate(groups), np.repeat(np.arange(len(flips)), sizes)
    digit = digit[indices]
    target = (digit < 5) ^ (rng.uniform(size=len(digit)) < label_noise)
    color = (target ^ (rng.uniform(size=len(digit)) < flips[domain])).astype(np.int64)
    data = np.zeros((len(digit), 2, *images.shape[1:]), dtype=np.float32)
    scale = 255 if images.dtype == np.uint8 else 1
    for channel in range(2):
        rows = np.flatnonzero(color == channel)
        data[rows, channel] = images[indices[rows]] / np.float32(scale)
    if return_X_y:
        return data, target.astype(np.int64)
    return Bunch(
        data=data,
        target=target.astype(np.int64),
        sample_domain=domain,
        domain_names=[_name(flip) for flip in flips],
        color=color,
        digit=digit,
        indices=indices,
        DESCR=_DESCR.format(
            n_samples=len(data),
            size=" x ".join(map(str, data.shape[1:])),
            sizes=", ".join(map(str, sizes)),
            label_noise=label_noise,
            flips=", ".join(f"{flip:g}" for flip in flips),
            ceiling=max(label_noise, 1 - label_noise),
        ),
    )


def _check_digits(images, target):
    images = check_array(images, dtype=None, allow_nd=True, input_name="images")
    if images.ndim != 3:
        raise ValueError(
            f"images has shape {images.shape}; expected (n_samples, height, width)."
        )
    if images.dtype != np.uint8 and (images.min() < 0 or images.max() > 1):
        raise ValueError(
            f"images has {images.dtype} values from {images.min()} to {images.max()}; "
            "expected uint8, or numbers from 0 to 1."
        )
    digit = column_or_1d(target)
    check_consistent_length(images, digit)
    if digit.dtype.kind in "OSU":  # fetch_openml has them as strings
        digit = digit.astype(np.float64)
    unknown = np.setdiff1d(digit, np.arange(10))
    if len(unknown):
        raise ValueError(
            f"target must hold digits, 0 to 9; it holds {unknown.tolist()[:5]}."
        )
    return images, digit.astype(np.int64)


def _last_sixth_apart(n_samples, n_domains, rng):
    """Split as in the IRM repository: 60,000 into 25,000, 25,000 and 10,000."""
    n_first = n_samples - n_samples // 6
    order = rng.permutation(n_first)
    groups = [order[place :: n_domains - 1] for place in range(n_domains - 1)]
    return [*groups, np.arange(n_first, n_samples)]


def _name(flip):
    return f"+{1 - flip:.0%}" if flip <= 0.5 else f"-{flip:.0%}"
