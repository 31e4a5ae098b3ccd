"""Distributionally robust optimisation: the environment that is worst off counts."""

from numbers import Real

from skalign._parameters import Interval
from skalign.deep._domain_classifier import DomainClassifier
from skalign.deep._objectives import GroupDRORisk


class GroupDROClassifier(DomainClassifier):
    """Distributionally robust optimisation: the environment that is worst off counts.

    Weights the risks of the environments, and raises the weight of a larger one with
    each step [1]_. Read more in the :ref:`User Guide <out_of_distribution>`.

    Parameters
    ----------
    step_size : float, default=0.01
        Of the ascent of the weights: a risk of 1 multiplies a weight by
        exp(`step_size`).

    module, hidden_layer_sizes, image_shape, lr, weight_decay, batch_size, max_epochs, \
            steps_per_epoch, early_stopping, validation_fraction, n_iter_no_change, \
            device, warm_start, callbacks, random_state
        Network and training, as of :class:`ERMClassifier`.

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
    ERMClassifier : Without a penalty.

    References
    ----------
    .. [1] S. Sagawa, P. W. Koh, T. B. Hashimoto and P. Liang, "Distributionally robust
       neural networks for group shifts", ICLR 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import GroupDROClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> sample_domain = np.repeat(["a", "b"], 200)
    >>> X = y[:, None] + 0.1 * rng.normal(size=(400, 3))
    >>> classifier = GroupDROClassifier(random_state=0)
    >>> classifier.fit(X, y, sample_domain=sample_domain).score(X, y)
    1.0
    """

    _parameter_constraints = {
        **DomainClassifier._parameter_constraints,
        "step_size": [Interval(Real, 0, None, closed="left")],
    }

    _learns_by_environment = True

    def __init__(
        self,
        step_size=0.01,
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
        self.step_size = step_size
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
        return GroupDRORisk(self._risk, len(self.environments_), self.step_size)
