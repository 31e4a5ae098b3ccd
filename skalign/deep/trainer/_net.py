"""The trainer: a skorch net whose samples stay on the device."""

import copy
import dis
import math
import os
import threading
from contextlib import ExitStack, contextmanager, suppress

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer
from skorch.utils import TeeGenerator
from torch import nn
from torch.utils.data import Dataset

from skalign._autocast import autocast_off
from skalign.deep.trainer._distributed import (
    Step,
    distribute,
    end_together,
    local_device,
    of_first,
    shared,
)

_MULTIPLE = 32
_TURN = threading.RLock()


def _new_turn():
    global _TURN
    _TURN = threading.RLock()


if hasattr(os, "register_at_fork"):  # a thread that has its turn is not in a child
    os.register_at_fork(after_in_child=_new_turn)


class DomainAware(nn.Module):
    """Module that uses the domain of each sample of a batch.

    Attributes
    ----------
    sizes : list of int or None
        Number of samples of each domain in the batch, of which a process may have a
        share; the samples of a domain are consecutive. The trainer sets it before each
        step.
    """

    sizes = None


class DomainBatches(Dataset):
    """Batches with equally many samples of each domain.

    Samples stay on the device and are selected by index, without worker processes. The
    samples of a domain are drawn in random order, each once before any is repeated.

    Parameters
    ----------
    X : Tensor of shape (n_samples, *shape)
    y : Tensor of shape (n_samples, ...)
    domain : ndarray of shape (n_samples,)
        Domain of each sample, numbered from 0.
    batch_size : int or None
        Number of samples of each domain in a batch. None uses all samples in every
        batch.
    n_batches : int or None, default=None
        Number of batches of an epoch. None draws about as many samples as there are.
    generator : torch.Generator, default=None
        Determines the order of samples.
    """

    def __init__(self, X, y, domain, batch_size, n_batches=None, generator=None):
        self.X, self.y, self.generator = X, y, generator
        order = np.argsort(domain, kind="stable")
        sizes = np.bincount(domain)
        if batch_size is None:
            if (order[1:] < order[:-1]).any():
                order = torch.from_numpy(order).to(X.device)
                self.X, self.y = X[order], y[order]
            self.rows, self.sizes = None, sizes.tolist()
        else:
            self.rows = [
                torch.from_numpy(rows) for rows in np.split(order, sizes.cumsum()[:-1])
            ]
            self.to_come = [rows[:0] for rows in self.rows]
            self.sizes = [min(batch_size, sizes.max())] * len(sizes)
        self.n_batches = n_batches
        if n_batches is None:
            self.n_batches = math.ceil(len(domain) / sum(self.sizes))

    def __len__(self):
        return len(self.y)

    def __iter__(self):
        if self.rows is None:
            for _ in range(self.n_batches):
                yield self.X, (self.y, self.sizes)
            return
        columns = [self._draw(e, self.sizes[0]) for e in range(len(self.rows))]
        drawn = torch.cat(columns, dim=1).to(self.X.device)  # one transfer an epoch
        for batch in drawn:
            yield self.X[batch], (self.y[batch], self.sizes)

    def _draw(self, e, size):
        """Draw indices of samples of domain `e`: (n_batches, size)"""
        n_drawn, rows, parts = self.n_batches * size, self.rows[e], [self.to_come[e]]
        for _ in range(math.ceil((n_drawn - len(parts[0])) / len(rows))):
            parts.append(rows[torch.randperm(len(rows), generator=self.generator)])
        drawn, self.to_come[e] = torch.cat(parts).tensor_split([n_drawn])
        return drawn.reshape(-1, size)


class HeldOut(Dataset):
    """Held-out samples, in one part for each domain.

    `summary` summarises the scores of the parts: their mean, or the lowest.
    """

    def __init__(self, X, y, domain, summary=torch.mean):
        self.summary = summary
        self.parts = [
            (X[rows], y[rows])
            for rows in (
                torch.from_numpy(np.flatnonzero(domain == e)).to(X.device)
                for e in np.unique(domain)
            )
        ]

    def __len__(self):
        return sum(len(y) for _, y in self.parts)


class _Stopped(Exception):
    """Raised when a callback of scikit-learn ends training."""


class ResidentNet(NeuralNet):
    """skorch net that is trained on :class:`DomainBatches`.

    Losses stay on the device until the end of an epoch; a loss that is not finite then
    raises an error. Held-out samples are scored after each epoch: the history has
    `valid_loss` and `valid_score`, averaged over domains. If `progress` is set, it is
    notified of each epoch.
    """

    progress = None
    stopped = False

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        super().on_train_begin(net, X=X, y=y, **kwargs)
        modules = self.module_.modules()
        self.told_ = [part for part in modules if isinstance(part, DomainAware)]
        # A method, because skorch takes a module for a part of the net.
        self.step_ = distribute(Step(self.module_, self.criterion_)).__call__

    def on_train_end(self, net, X=None, y=None, **kwargs):
        super().on_train_end(net, X=X, y=y, **kwargs)
        for module in self.told_:
            module.sizes = None
        del self.told_, self.step_
        end_together()

    def fit_loop(self, X, y=None, **kwargs):
        with suppress(_Stopped):
            super().fit_loop(X, y, **kwargs)
        return self

    def on_epoch_begin(self, net, **kwargs):
        if self.stopped:
            raise _Stopped
        super().on_epoch_begin(net, **kwargs)
        if self.progress is not None:
            self.progress.begin_step()

    def on_epoch_end(self, net, **kwargs):
        super().on_epoch_end(net, **kwargs)
        if self.progress is not None:
            self.stopped = of_first(self.progress.end_step())

    def get_iterator(self, dataset, training=False):
        return dataset

    def train_step(self, batch, **fit_params):
        # skorch's without the closure, which Adam does not need.
        self.optimizer_.zero_grad()
        step = self.train_step_single(batch, **fit_params)
        parameters = TeeGenerator(self.get_all_learnable_params())
        self.notify(
            "on_grad_computed", named_parameters=parameters, batch=batch, training=True
        )
        # Weight decay is part of the sum that an objective divides.
        groups = self.optimizer_.param_groups
        decays = [group["weight_decay"] for group in groups]
        for group in groups:
            group["weight_decay"] /= self.criterion_.divisor
        self.optimizer_.step()
        for group, decay in zip(groups, decays, strict=True):
            group["weight_decay"] = decay
        return step

    def train_step_single(self, batch, **fit_params):
        if not self.module_.training:
            self._set_training(True)
        X, y = batch
        for module in self.told_:
            module.sizes = y[1]
        with shared(len(X)):
            y_pred, loss = self.step_(X, *y)
            loss.backward()
        return {"loss": loss, "y_pred": y_pred}

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        if not training:
            self._score(iterator)
            return
        total = torch.zeros((), device=self.device)
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=True)
            step = step_fn(batch, **fit_params)
            total += step["loss"].detach()
            self.notify("on_batch_end", batch=batch, training=True, **step)
            del step  # and with it features that the next step has no use for
        loss = self._record("train_loss", float(total) / iterator.n_batches)
        if not math.isfinite(loss):
            self._diverged(f"The loss became {loss}")

    def _diverged(self, what):
        raise FloatingPointError(
            f"{what} in epoch {len(self.history)}. Lower lr or the weight of the "
            "penalty, or scale the features."
        )

    def check_outputs(self, X):
        """Check that training did not diverge in its last step.

        The loss of a step is computed before the parameters change.

        Raises
        ------
        FloatingPointError
            If an output of the module for `X` is not finite.
        """
        if not all(output.isfinite().all() for output in self.forward_rows(X)):
            self._diverged("What the network returns became infinite")

    def _score(self, held_out):
        losses, scores = [], []
        for X, y in held_out.parts:
            predicted = self.forward_rows(X)
            with torch.no_grad():  # a loss may learn too
                losses.append(self.criterion_.loss.losses(predicted[1], y).mean())
                scores.append(self.criterion_.loss.row_scores(predicted[1], y).mean())
        self._record("valid_loss", float(torch.stack(losses).mean()))
        score = held_out.summary(torch.stack(scores))
        self._record("valid_score", float(score), sign=-1)

    def _record(self, name, value, sign=1):
        """Record a value, and whether it is the lowest so far, as skorch does."""
        value = of_first(value)
        before = [sign * row[name] for row in self.history[:-1] if name in row]
        self.history.record(name, value)
        best = all(sign * value < other for other in before)
        self.history.record(f"{name}_best", best)
        return value

    def go_on_from(self, net):
        """Continue from the weights, the optimizer and the history of another net.

        Learning rates are those of this net, except that one changed by a scheduler
        during training keeps its value.

        Raises
        ------
        ValueError
            If the module or the criterion of the other net has different weights.
        """
        try:
            self.module_.load_state_dict(net.module_.state_dict())
            self.criterion_.load_state_dict(net.criterion_.state_dict())
        except RuntimeError as error:
            raise ValueError(
                f"warm_start needs the network of the previous fit: {error}"
            ) from error
        learnt = copy.deepcopy(net.optimizer_.state_dict())
        groups = self.optimizer_.state_dict()["param_groups"]
        for group, old in zip(groups, learnt["param_groups"], strict=True):
            group["initial_lr"] = group["lr"]
            if old.get("initial_lr") == group["lr"]:
                group["lr"] = old["lr"]
        learnt["param_groups"] = groups
        self.optimizer_.load_state_dict(learnt)
        self.history.extend(net.history)

    def forward_rows(self, X, batch_size=1024, module=None):
        """Apply the module to samples, in evaluation mode.

        Parameters
        ----------
        X : Tensor of shape (n_samples, *shape)
        batch_size : int, default=1024
        module : callable, default=None
            Part of the network that returns a tuple. None is the whole network.

        Returns
        -------
        outputs : tuple of Tensor of shape (n_samples, ...), on the device
        """
        self._set_training(False)
        parts = list(X.split(batch_size))
        # Matrix products round otherwise for few rows than for many. With batches of
        # whole multiples, what a row gives depends less on how many come with it, on
        # many processors not at all. Pictures would take too long for that.
        n_more = -len(parts[-1]) % _MULTIPLE if X.ndim == 2 else 0
        if n_more:
            parts[-1] = torch.cat([parts[-1], X[:1].expand(n_more, *X.shape[1:])])
        module = self.module_ if module is None else module
        with inference():
            outputs = [module(part.to(self.device)) for part in parts]
        return tuple(torch.cat(out)[: len(X)] for out in zip(*outputs, strict=True))

    def __getstate__(self):
        # What skorch was given is what it trains: once is enough, and skorch moves
        # only the latter to a device that is there.
        return super().__getstate__() | {"module": None, "criterion": None}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.module, self.criterion = self.module_, self.criterion_


@contextmanager
def undisturbed():
    """Compute with gradients, in the precision of the tensors.

    Autocast, inference mode and `no_grad` of the caller are switched off.
    """
    with autocast_off(), torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def plain():
    """`undisturbed`, with float32 and the CPU as defaults for new tensors."""
    with ExitStack() as stack:
        stack.enter_context(undisturbed())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if (dtype := torch.get_default_dtype()) != torch.float32:
            stack.enter_context(_TURN)  # it is one for all threads
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        yield


@contextmanager
def inference():
    """`plain`, without gradients; also serves as a decorator."""
    with plain(), torch.inference_mode():
        yield


@contextmanager
def seeded(seed):
    """`plain`, with random numbers from `seed`; the global generators are restored.

    Only one thread at a time can enter, because torch has one generator for all.
    """
    devices = range(torch.cuda.device_count())
    with _TURN, plain(), torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def kept_on_failure(net):
    """Restore the weights, optimizer and history of a net if the block fails."""
    parts = net.module_, net.criterion_, net.optimizer_
    before = [copy.deepcopy(part.state_dict()) for part in parts]
    n_epochs = len(net.history)
    try:
        yield
    except BaseException:
        for part, state in zip(parts, before, strict=True):
            part.load_state_dict(state)
        del net.history[n_epochs:]
        raise


def train(net, X, y=None):
    """Train a net as `net.partial_fit` does, but pass interrupts on to the caller.

    skorch ends training silently at every `KeyboardInterrupt`, because its callbacks
    raise one at the end of an epoch to stop. Here, only those of callbacks do so.
    """
    net.notify("on_train_begin", X=X, y=y)
    try:
        net.fit_loop(X, y)
    except KeyboardInterrupt as interrupt:
        if not _is_of_callback(interrupt):
            raise
    net.notify("on_train_end", X=X, y=y)


def _is_of_callback(interrupt):
    """Whether `on_epoch_end` of a callback raised the interrupt, not a signal."""
    step, in_callback = interrupt.__traceback__, False
    while step is not None:
        frame, at, step = step.tb_frame, step.tb_lasti, step.tb_next
        if frame.f_code.co_name == "on_epoch_end":
            in_callback |= isinstance(frame.f_locals.get("self"), Callback)
    # The signal of an interrupt arrives at any other instruction.
    raised = frame.f_code.co_code[at] == dis.opmap["RAISE_VARARGS"]
    return in_callback and raised


def choose_device(device):
    """Return the name of the device to use.

    Raises
    ------
    ValueError
        If the device is not available.
    """
    if device == "auto":
        return local_device() if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device={device!r} cannot be used here: {str(error).splitlines()[0]}"
        ) from error
    return device
