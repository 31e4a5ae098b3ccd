"""Latent representations of digits by two independently trained autoencoders."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._validation import Interval

_N_HIDDEN = 32
_N_EPOCHS = 32

_DESCR = """\
Latents of two autoencoders of handwritten digits
-------------------------------------------------

The 1797 images of 8 x 8 pixels of `sklearn.datasets.load_digits`, encoded by two
autoencoders with layers of 64-{n_hidden}-{n_latents}-{n_hidden}-64 units and tanh
activations. They share neither initial weights nor training images: each was trained
on one third of the images, for {n_epochs} epochs of Adam, and the last third was used
by neither. A latent is the input of the middle layer's tanh, so that every vector of
{n_latents} numbers can be decoded. Row i of `data`, `target`, `labels`, `pixels` and
`images` is the same image.
"""


@validate_params(
    {
        "random_state": ["random_state"],
        "n_latents": [Interval(Integral, 1, None, closed="left")],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def load_digits_latents(
    random_state: int | np.random.RandomState | None = 0,
    *,
    n_latents: int = 24,
    return_X_y: bool = False,
) -> Any:
    """Load digits as the latents of two independently trained autoencoders.

    Provides two learned latent spaces in about a second, without a download: the images
    come with scikit-learn, and both networks are trained at every call. To evaluate a
    map in pixels, decode the mapped source latents with the target decoder. Read more
    in the :ref:`User Guide <datasets>`.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=0
        Seed of the training samples, the initial weights and the batches. The same
        number gives the same latents, up to rounding that differs between machines.
    n_latents : int, default=24
        Number of dimensions of both latent spaces.
    return_X_y : bool, default=False
        If True, return `data` and `target` only.

    Returns
    -------
    latents : :class:`~sklearn.utils.Bunch`
        With the attributes

        data : ndarray of shape (1797, n_latents)
            Latents of the source network.
        target : ndarray of shape (1797, n_latents)
            Latents of the same images in the target network.
        labels : ndarray of shape (1797,)
            Digit, 0 to 9.
        pixels : ndarray of shape (1797, 64)
            Encoded pixel values, from 0 to 1.
        images : ndarray of shape (1797, 8, 8)
            `pixels` as images.
        train_indices, test_indices : ndarray of shape (1198,) and (599,)
            Indices of the samples used for training, half of them by each network, and
            of the samples used by neither. Stratified by digit.
        source_encoder, target_encoder : MLPRegressor
            Encoders of the networks; ``predict(pixels)`` returns latents.
        source_decoder, target_decoder : Pipeline
            Decoders of the networks; ``predict(latents)`` returns pixels.
        DESCR : str
            Description of the data.
    (data, target) : tuple if ``return_X_y=True``
        Source and target latents of the same images.

    Raises
    ------
    ValueError
        If `n_latents` < 1.

    Examples
    --------
    >>> from sklearn.metrics import mean_squared_error
    >>> from skalign.datasets import load_digits_latents
    >>> digits = load_digits_latents()
    >>> digits.data.shape, digits.target.shape
    ((1797, 24), (1797, 24))
    >>> test = digits.test_indices
    >>> decoded = digits.target_decoder.predict(digits.data[test])  # not aligned
    >>> decoded.shape
    (599, 64)
    >>> own = digits.target_decoder.predict(digits.target[test])
    >>> pixels = digits.pixels[test]
    >>> mean_squared_error(pixels, decoded) > 5 * mean_squared_error(pixels, own)
    True
    """
    digits = load_digits()
    pixels = digits.data / 16
    rng = check_random_state(random_state)
    train, test = train_test_split(
        np.arange(len(pixels)),
        test_size=1 / 3,
        stratify=digits.target,
        random_state=rng,
    )
    first, second = pixels[train[::2]], pixels[train[1::2]]
    source_encoder, source_decoder = _train_autoencoder(first, n_latents, rng)
    target_encoder, target_decoder = _train_autoencoder(second, n_latents, rng)
    data, target = source_encoder.predict(pixels), target_encoder.predict(pixels)
    data, target = data.reshape(len(data), -1), target.reshape(len(target), -1)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        labels=digits.target,
        pixels=pixels,
        images=pixels.reshape(-1, 8, 8),
        train_indices=np.sort(train),
        test_indices=np.sort(test),
        source_encoder=source_encoder,
        target_encoder=target_encoder,
        source_decoder=source_decoder,
        target_decoder=target_decoder,
        DESCR=_DESCR.format(
            n_hidden=_N_HIDDEN, n_latents=n_latents, n_epochs=_N_EPOCHS
        ),
    )


def _train_autoencoder(pixels, n_latents, rng):
    """Return encoder and decoder, split before the activation of the middle layer."""
    network = MLPRegressor(
        hidden_layer_sizes=(_N_HIDDEN, n_latents, _N_HIDDEN),
        activation="tanh",
        batch_size=64,
        learning_rate_init=0.003,
        # An instance, since a number would order the rows alike in every epoch.
        random_state=check_random_state(rng.randint(2**31 - 1)),
    )
    for _ in range(_N_EPOCHS):  # `fit` would warn that it was stopped
        network.partial_fit(pixels, pixels)
    encoder = _network(network.coefs_[:2], network.intercepts_[:2])
    decoder = _network(network.coefs_[2:], network.intercepts_[2:])
    return encoder, make_pipeline(FunctionTransformer(np.tanh), decoder)


def _network(coefs, intercepts):
    """Return a fitted network with these weights and a linear output layer."""
    hidden = tuple(len(intercept) for intercept in intercepts[:-1])
    network = MLPRegressor(hidden_layer_sizes=hidden, activation="tanh")
    network.coefs_, network.intercepts_ = coefs, intercepts
    network.n_layers_, network.out_activation_ = len(coefs) + 1, "identity"
    network.n_features_in_, network.n_outputs_ = len(coefs[0]), len(intercepts[-1])
    return network
