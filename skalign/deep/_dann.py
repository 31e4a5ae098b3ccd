"""Domain-adversarial training: features by which environments cannot be told."""

from numbers import Integral, Real

from sklearn.utils._param_validation import RealNotInt

from skalign._parameters import Interval
from skalign.deep._domain_classifier import DomainClassifier
from skalign.deep._objectives import DANNRisk, n_warmup_steps


class DANNClassifier(DomainClassifier):
    """Domain-adversarial training: features by which environments cannot be told.

    A discriminator learns to tell the environment of a row by its features; the network
    is trained to mislead it, by a gradient that is reversed [1]_. Target rows without a
    label take part in that: domain adaptation. Read more in the :ref:`User Guide
    <deep_adaptation>`.

    Parameters
    ----------
    weight : float, default=1.0
        Of the reversed gradient.

    warmup : float or int, default=0.0
        Share of all steps, or number of steps, over which the weight grows from 0: at a
        share t of them it is tanh(5 t) times `weight`. With 1.0 this is the schedule of
        [1]_, section 5.2.2, which keeps a discriminator that knows nothing yet from
        disturbing the features.

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
    .. [1] Y. Ganin et al., "Domain-adversarial training of neural networks", JMLR 17,
       2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import DANNClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> sample_domain = np.repeat(["a", "b"], 200)
    >>> X = y[:, None] + 0.1 * rng.normal(size=(400, 3))
    >>> classifier = DANNClassifier(random_state=0)
    >>> classifier.fit(X, y, sample_domain=sample_domain).score(X, y)
    1.0
    """

    _parameter_constraints = {
        **DomainClassifier._parameter_constraints,
        "weight": [Interval(Real, 0, None, closed="left")],
        "warmup": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
    }

    _takes_unlabeled = _learns_by_environment = True

    def __init__(
        self,
        weight=1.0,
        warmup=0.0,
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
        self.weight = weight
        self.warmup = warmup
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
        sizes = self._n_features_out, len(self.environments_)
        n_warmup = n_warmup_steps(self.warmup, n_steps)
        return DANNRisk(self._risk, self.weight, *sizes, n_warmup)
