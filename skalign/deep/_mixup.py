"""Mixup: a network trained on mixtures of rows and of their classes."""

from numbers import Real

from sklearn.utils._param_validation import StrOptions
from torch import nn

from skalign._parameters import Interval
from skalign.deep._domain_classifier import DomainClassifier
from skalign.deep._style import Mixup, MixupRisk


class MixupClassifier(DomainClassifier):
    """Mixup: a network trained on mixtures of rows and of their classes.

    Each row of a batch is mixed with another, of any environment, and the loss is the
    mixture of the losses to both classes [1]_. Read more in the
    :ref:`User Guide <style>`.

    Parameters
    ----------
    alpha : float, default=0.2
        The share of the other row is drawn from Beta(alpha, alpha), once a batch.

    level : {"input", "features"}, default="input"
        Mix rows, or the features that the head is given, as manifold mixup does at its
        last level [2]_.

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
    ERMClassifier : Without mixtures.
    skalign.deep.Mixup : The layer.

    References
    ----------
    .. [1] H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, "mixup: beyond empirical
       risk minimization", ICLR 2018.
    .. [2] V. Verma et al., "Manifold mixup: better representations by interpolating
       hidden states", ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import MixupClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=400)
    >>> X = y[:, None] + 0.1 * rng.normal(size=(400, 3))
    >>> MixupClassifier(random_state=0).fit(X, y).score(X, y)
    1.0
    """

    _parameter_constraints = {
        **DomainClassifier._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "level": [StrOptions({"input", "features"})],
    }
    _needs_environments = False

    def __init__(
        self,
        alpha=0.2,
        *,
        level="input",
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
        self.alpha = alpha
        self.level = level
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

    def _make_encoder(self):
        layers = [Mixup(self.alpha), super()._make_encoder()]
        return nn.Sequential(*(layers if self.level == "input" else layers[::-1]))

    def _make_objective(self, module, n_steps):
        return self._objective(module, n_steps)  # one environment is enough

    def _objective(self, module, n_steps):
        return MixupRisk(self._risk, module.encoder[self.level == "features"])
