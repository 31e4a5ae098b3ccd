"""Empirical risk minimisation: a network trained on all environments alike."""

from skalign.deep._domain_classifier import DomainClassifier
from skalign.deep._objectives import MeanRisk


class ERMClassifier(DomainClassifier):
    """Empirical risk minimisation: a network trained on all environments alike.

    What every other method is compared with: the mean loss of all rows or, if
    environments are given, the mean over them of the mean loss of their rows. Read more
    in the :ref:`User Guide <out_of_distribution>`.

    Parameters
    ----------
    module : nn.Module, callable or None, default=None
        Network from rows or pictures to features (n_samples, n_network_features).
        A module is copied and trained from where it is; a callable is called without
        arguments and has to return one. None is fully connected layers for rows, and
        for pictures the convolutional network of DomainBed up to 32 x 32, a small
        residual network above.

    hidden_layer_sizes : array-like of int, default=(128, 128)
        Widths of the fully connected layers; the last is that of the features.

    image_shape : tuple of int or None, default=None
        (n_channels, height, width) of pictures that come as rows. None takes rows as
        rows.

    lr : float, default=1e-3
        Learning rate of Adam.

    weight_decay : float, default=0.0
        Half of it times the sum of squared parameters is added to the loss.

    batch_size : int or None, default=32
        Rows of each environment in a batch. None takes all rows in each step.

    max_epochs : int, default=50
        Number of epochs.

    steps_per_epoch : int or None, default=None
        Steps of an epoch; None is one pass over as many rows as there are.

    early_stopping : bool, default=False
        Hold out a part of each environment, stop when its accuracy has not grown for
        some epochs, and go back to the best epoch.

    validation_fraction : float, default=0.1
        Share of rows held out. They must be at least 5, and at least the number of
        classes.

    n_iter_no_change : int, default=10
        Number of epochs to wait for a better one.

    device : str, default="auto"
        Where to train: "cpu", "cuda", "cuda:1", "mps". "auto" is "cuda" if there is
        one, else "cpu".

    warm_start : bool, default=False
        Let the next `fit` go on with the network that is there.

    callbacks : list of skorch callbacks or None, default=None
        Told of training, in addition to the callbacks of scikit-learn.

    random_state : int, RandomState instance or None, default=None
        Determines initial weights, what is held out and the order of rows. With an int
        a fit on the same CPU is repeated bit by bit.

    Attributes
    ----------
    net_ : skorch net
        `net_.module_` is the trained network, `net_.history` has a row an epoch:
        `train_loss`, and with `early_stopping` also `valid_loss` and `valid_score`,
        means over environments.

    classes_ : ndarray of shape (n_classes,)
        Classes.

    environments_ : ndarray of shape (n_environments,)
        Names of the environments; one if there was no `sample_domain`.

    shape_ : tuple of int
        Of a row: (n_features,), or (n_channels, height, width).

    n_iter_ : int
        Number of epochs.

    n_features_in_ : int
        Width of a row, or the number of values of a picture.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where `X` had any.

    See Also
    --------
    NCFALClassifier : Finds environments where none are given.
    IRMClassifier, VRExClassifier, GroupDROClassifier : Penalties on the risks.
    DeepCORALClassifier, MMDClassifier, DANNClassifier : Penalties on the features.

    References
    ----------
    .. [1] I. Gulrajani and D. Lopez-Paz, "In search of lost domain generalization",
       ICLR 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import ERMClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> sample_domain = np.repeat(["a", "b"], 200)
    >>> X = y[:, None] + 0.1 * rng.normal(size=(400, 3))
    >>> classifier = ERMClassifier(random_state=0)
    >>> classifier.fit(X, y, sample_domain=sample_domain).score(X, y)
    1.0
    """

    _needs_environments = False

    def __init__(
        self,
        *,
        module=None,
        hidden_layer_sizes=(128, 128),
        image_shape=None,
        lr=1e-3,
        weight_decay=0.0,
        batch_size=32,
        max_epochs=50,
        steps_per_epoch=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        device="auto",
        warm_start=False,
        callbacks=None,
        random_state=None,
    ):
        super().__init__(
            module=module,
            hidden_layer_sizes=hidden_layer_sizes,
            image_shape=image_shape,
            lr=lr,
            weight_decay=weight_decay,
            batch_size=batch_size,
            max_epochs=max_epochs,
            steps_per_epoch=steps_per_epoch,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            device=device,
            warm_start=warm_start,
            callbacks=callbacks,
            random_state=random_state,
        )

    def _objective(self, module, n_steps):
        return MeanRisk(self._risk)
