"""Mixin of estimators that train a skorch net."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    MlflowLogger,
    NeptuneLogger,
    PrintLog,
    ProgressBar,
    SacredLogger,
    TensorBoard,
    TrainEndCheckpoint,
    WandbLogger,
)
from skorch.callbacks.scoring import ScoringBase

from skalign._storage import Given, restore_later
from skalign._validation import Interval
from skalign.deep.trainer._distributed import (
    check_same_samples,
    is_first,
    n_processes,
    take_buffers_of_first,
    with_state_of_first,
)
from skalign.deep.trainer._net import (
    DomainBatches,
    HeldOut,
    ResidentNet,
    choose_device,
    seeded,
    train,
)

_LOOKED_AT, _LEAST_HELD_OUT = 32, 5
# Adam divides its first step by a tenth, and its decay is a product; all in float32.
_LARGEST_LR, _LARGEST_DECAY = 3e37, 1e30
# Callbacks that print or write files, which only the first of many processes does.
_OUTPUT = (
    Checkpoint,
    MlflowLogger,
    NeptuneLogger,
    PrintLog,
    ProgressBar,
    SacredLogger,
    TensorBoard,
    TrainEndCheckpoint,
    WandbLogger,
)
TRAINING_CONSTRAINTS = {
    "lr": [Interval(Real, 0, _LARGEST_LR, closed="right")],
    "weight_decay": [Interval(Real, 0, _LARGEST_DECAY, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "steps_per_epoch": [Interval(Integral, 1, None, closed="left"), None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "device": [str],
    "warm_start": ["boolean"],
    "callbacks": [list, None],
    "random_state": ["random_state"],
}


def hold_out(domain, labels, fraction, rng):
    """Draw a fraction of the samples of each domain.

    Parameters
    ----------
    domain : ndarray of shape (n_samples,)
    labels : ndarray of shape (n_samples,) or None
        Classes, of which the same fraction is drawn; -1 for samples without a label,
        which are not held out.
    fraction : float
    rng : RandomState

    Returns
    -------
    held_out : ndarray of bool of shape (n_samples,)
        At least one sample of each domain that has two samples of a class. At least
        one sample of each class remains in each domain.

    Raises
    ------
    ValueError
        If no domain has two samples of a class.
    """
    held_out = np.zeros(len(domain), dtype=bool)
    if labels is None:
        labels = np.zeros(len(domain), dtype=int)
    for e in np.unique(domain):
        rows = rng.permutation(np.flatnonzero(domain == e))
        n_wanted = max(round(fraction * len(rows)), 1)
        # Evenly spaced in the order of classes is a share of each of them.
        rows = rows[np.argsort(labels[rows], kind="stable")]
        rows = np.delete(rows, np.unique(labels[rows], return_index=True)[1])
        n_held_out = min(n_wanted, len(rows))
        at = (np.arange(n_held_out) + 0.5) * len(rows) / max(n_held_out, 1)
        held_out[rows[at.astype(int)]] = True
    held_out &= labels >= 0
    if not held_out.any():
        raise ValueError(
            "early_stopping=True has nothing to hold out: no domain has two samples "
            "of a class. Add samples, or set early_stopping=False."
        )
    return held_out


def _check_held_out(held_out, labels, fraction):
    """Raise an error if there are too few held-out samples to select an epoch.

    For example, the contrastive loss of a single pair is always 0.
    """
    n_classes = 1 if labels is None else len(np.unique(labels[labels >= 0]))
    n_held_out, n_wanted = held_out.sum(), max(_LEAST_HELD_OUT, n_classes)
    if n_held_out < n_wanted:
        raise ValueError(
            f"early_stopping=True would hold out {n_held_out} of {len(held_out)} "
            f"samples (validation_fraction={fraction}), too few to select an epoch: at "
            f"least {n_wanted} are needed. Increase validation_fraction, or set "
            "early_stopping=False."
        )


def _kind(callback):
    """Return the class of a callback: an instance, a class or a tuple with a name."""
    if isinstance(callback, tuple) and len(callback) == 2:
        callback = callback[1]
    return callback if isinstance(callback, type) else type(callback)


def _check_callbacks(callbacks):
    """Raise an error for callbacks that score a data set; the net has none.

    Nor may the first of many processes alone load the parameters of another epoch.
    """
    for callback in callbacks:
        kind = _kind(callback)
        if not issubclass(kind, Callback):
            raise ValueError(
                "callbacks must be callbacks of skorch, or tuples of a name and a "
                f"callback; got {callback!r}."
            )
        if issubclass(kind, ScoringBase):
            raise ValueError(
                f"{kind.__name__} cannot score batches of domains. Use "
                "early_stopping=True, with which the history has valid_score, or score "
                "in on_epoch_end of your own callback."
            )
        instance = callback[1] if isinstance(callback, tuple) else callback
        loads = issubclass(kind, _OUTPUT) and getattr(instance, "load_best", False)
        if loads and n_processes() > 1:
            raise ValueError(
                f"{kind.__name__}(load_best=True) would load the best epoch in one of "
                f"{n_processes()} processes only. Use early_stopping=True, which loads "
                "it in all of them."
            )


def _check_shares(batches):
    """Raise an error if a process would have no sample of a batch."""
    if (n_samples := sum(batches.sizes)) < n_processes():
        raise ValueError(
            f"A batch has {n_samples} samples, fewer than the {n_processes()} "
            "processes that share it. Increase batch_size, or start fewer processes."
        )


class _EarlyStopping(EarlyStopping):
    """Early stopping of skorch that waits for a better epoch after the warm-up.

    An epoch of the warm-up may be the best one if `from_start`.
    """

    def __init__(self, *args, from_start=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.from_start = from_start

    def on_epoch_begin(self, net, **kwargs):
        self.waits_ = not net.criterion_.warms_up

    def on_epoch_end(self, net, **kwargs):
        if not self.waits_:
            self.misses_ = -1  # 0 after this epoch, whether it is better or not
        if self.waits_ or self.from_start:
            super().on_epoch_end(net, **kwargs)


def _to_array(name, weight):
    """Return the name of the dtype of a tensor and its values, or bits, as an array."""
    if not isinstance(weight, torch.Tensor):
        raise TypeError(
            f"{name} is of type {type(weight).__name__}: only tensors are stored"
        )
    dtype = str(weight.dtype).removeprefix("torch.")
    if weight.dtype == torch.bfloat16:  # which NumPy does not have
        weight = weight.view(torch.int16)
    return dtype, weight.detach().cpu().numpy()


def _to_tensor(dtype, array):
    """Return the tensor of `_to_array`."""
    return torch.from_numpy(array).view(getattr(torch, dtype))


class TrainedMixin(CallbackSupportMixin):
    """Mixin of estimators that train a skorch net.

    A subclass has the parameters of `TRAINING_CONSTRAINTS`, and defines the methods
    `_make_module()` and `_make_criterion(module, n_steps)`.
    """

    @property
    def _goes_on(self):
        """Whether this fit continues with the network of the previous one."""
        return self.warm_start and hasattr(self, "net_")

    def _train(self, X, y, domain, progress, labels=None, found=None):
        """Train a new net, or continue training the present one if `warm_start`.

        Parameters
        ----------
        X : ndarray of shape (n_samples, *shape)
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        domain : ndarray of shape (n_samples,)
            Domain of each sample, numbered from 0.
        progress : Progress
            Notified of each epoch.
        labels : ndarray of shape (n_samples,), default=None
            Classes, of which the same fraction is held out; -1 for samples without a
            label, which are not held out.
        found : ndarray of shape (n_samples,), default=None
            Domains by the worst of which an epoch is selected, -1 for samples without a
            label. None selects by the mean over `domain`.

        Returns
        -------
        held_out : ndarray of bool of shape (n_samples,)
        """
        check_same_samples(X, y, domain)
        rng = with_state_of_first(check_random_state(self.random_state))
        seed = rng.randint(2**31 - 1)
        device, out = choose_device(self.device), np.zeros(len(y), dtype=bool)
        if self.early_stopping:
            cells, parts, summary = domain, domain, torch.mean
            if found is not None:
                parts, summary = found, torch.min
                cells = np.unique(np.c_[domain, found], axis=0, return_inverse=True)[1]
            out = hold_out(cells.ravel(), labels, self.validation_fraction, rng)
            _check_held_out(out, labels, self.validation_fraction)
            if found is not None and len(np.setdiff1d(found[labels >= 0], found[out])):
                raise ValueError(
                    "early_stopping='found_domains' holds out no sample of a found "
                    f"domain (validation_fraction={self.validation_fraction}). "
                    "Increase validation_fraction, or set early_stopping=True."
                )
        with seeded(seed):
            rows, targets = (torch.from_numpy(part).to(device) for part in (X, y))
            held_out = None
            if self.early_stopping:
                at = torch.from_numpy(out).to(device)
                held_out = HeldOut(rows[at], targets[at], parts[out], summary)
                rows, targets = rows[~at], targets[~at]
            batches = DomainBatches(
                rows,
                targets,
                domain[~out],
                self.batch_size,
                self.steps_per_epoch,
                torch.Generator().manual_seed(seed),
            )
            _check_shares(batches)
            self._begin(rows)
            net = self._make_net(device, self.max_epochs * batches.n_batches)
            if self._goes_on:
                net.go_on_from(self.net_)
            net.train_split = lambda dataset: (dataset, held_out)
            net.progress = progress
            train(net, batches)
            take_buffers_of_first(net.module_)
            take_buffers_of_first(net.criterion_)
            net.check_outputs(rows[:_LOOKED_AT])
        net.progress = net.train_split = None
        self._keep(net)
        self.n_iter_ = len(self.net_.history)
        return out

    def _begin(self, rows):
        """Prepare for the training samples, (n_samples, *shape), before the module."""

    def _make_net(self, device, n_steps=1):
        callbacks = list(self.callbacks or [])
        _check_callbacks(callbacks)
        if not is_first():
            callbacks = [
                one for one in callbacks if not issubclass(_kind(one), _OUTPUT)
            ]
        if self.early_stopping:
            stopping = _EarlyStopping(
                "valid_score",
                patience=self.n_iter_no_change,
                threshold=0.0,
                lower_is_better=False,
                load_best=True,
                from_start=self.early_stopping == "found_domains",
            )
            callbacks.append(("early_stopping of skalign", stopping))
        module = self._make_module()
        return ResidentNet(
            module,
            self._make_criterion(module, n_steps),
            optimizer=torch.optim.Adam,
            lr=self.lr,
            optimizer__weight_decay=self.weight_decay,
            optimizer__param_groups=self._param_groups(),
            max_epochs=self.max_epochs,
            callbacks=callbacks,
            device=device,
            verbose=0,
        ).initialize()

    def _to_store(self):
        """Return the state with weights as arrays, and without what training needs."""
        state = dict(vars(self))
        if hasattr(self, "net_"):
            del state["net_"]
            state |= state.pop("_params")
            state["_weights"] = {
                name: _to_array(name, weight)
                for name, weight in self.net_.module_.state_dict().items()
            }
        state["callbacks"] = None
        if state.get("module") is not None:
            state["module"] = Given("module", state["module"])
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights = state.pop("_weights", None)
        super().__setstate__(state)
        if weights is not None:
            restore_later(self, weights)

    def _restore_weights(self, weights, device):
        """Set the net to one with the weights of `_to_store`.

        Raises
        ------
        ValueError
            If the weights do not fit the module, or the device cannot be used.
        """
        self.device = device
        weights = {name: _to_tensor(*weight) for name, weight in weights.items()}
        random_state, self.random_state = self.random_state, 0  # weights are given
        try:
            with seeded(0):
                self._check_sizes(weights)
                net = self._make_net(choose_device(device))
        finally:
            self.random_state = random_state
        try:
            net.module_.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"The stored weights do not fit the module: {error}"
            ) from error
        self._keep(net)

    def _keep(self, net):
        """Set the net, and a copy of the parameters it was made with."""
        self.net_, self._params = (
            net,
            {
                name: clone(value) if isinstance(value, BaseEstimator) else value
                for name, value in self.get_params(deep=False).items()
            },
        )

    def _check_sizes(self, weights):
        """Compare the weights with the sizes of the module before it is allocated."""
        n_features = self._n_features_out
        most = max((weight.numel() for weight in weights.values()), default=0)
        expected = {}
        if getattr(self, "module", None) is None and n_features <= most:
            with torch.device("meta"):
                expected = self._make_module().state_dict()
        shapes, wanted = (
            {name: tuple(tensor.shape) for name, tensor in state.items()}
            for state in (weights, expected)
        )
        if n_features > most or (wanted and shapes != wanted):
            raise ValueError(
                "The stored weights do not fit the module: they have the shapes "
                f"{shapes}, but expected {wanted or f'{n_features} features'}."
            )

    def _param_groups(self):
        """Parameters with their own settings, as (pattern, dict) pairs of skorch."""
        return []
