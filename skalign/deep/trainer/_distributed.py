"""Training on many processes, each of which has its share of every batch.

All processes draw the same batches. Each applies the network to every n-th sample; the
outputs are gathered, with gradient, and every process computes the loss of the whole
batch, so that a loss need not be a sum over samples. The gradients that arrive in a
process through its own outputs are those of the sum of the n equal losses, of which
`DistributedDataParallel` takes the n-th part: together, the gradient of one loss.
"""

import gc
import os
import warnings
from contextlib import contextmanager

import numpy as np
import torch
from torch import distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from skalign._warnings import user_level

_N_COMPARED = 16
# Number of samples of the batch, and this process's; None outside a step. It is not by
# thread, because a backward pass may run in another one.
_share = None


def n_processes():
    """Return the number of processes that train together."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def is_first():
    """Whether this process prints and writes files."""
    return n_processes() == 1 or distributed.get_rank() == 0


def local_device():
    """Return the GPU of this process: "cuda", or "cuda:1" of the second one."""
    if n_processes() == 1:
        return "cuda"
    return f"cuda:{os.environ.get('LOCAL_RANK', distributed.get_rank())}"


def of_first(value):
    """Return the value of the first process, in all of them."""
    if n_processes() > 1:
        values = [value]
        distributed.broadcast_object_list(values)
        (value,) = values
    return value


def with_state_of_first(rng):
    """Set a random state to that of the first process, and return it."""
    if n_processes() > 1:
        rng.set_state(of_first(rng.get_state()))
    return rng


def check_same_samples(*arrays):
    """Compare some samples of arrays between processes.

    Raises
    ------
    ValueError
        If they differ.
    """
    if n_processes() == 1:
        return
    seen = [(part.shape, part[:: len(part) // _N_COMPARED + 1]) for part in arrays]
    everywhere = [None] * n_processes()
    distributed.all_gather_object(everywhere, seen)
    for other in everywhere:
        for (shape, rows), (other_shape, other_rows) in zip(seen, other, strict=True):
            if shape != other_shape or not np.allclose(rows, other_rows, rtol=1e-3):
                raise ValueError(
                    "The processes were given different samples. Give all samples to "
                    "each process: the trainer divides every batch between them."
                )


@contextmanager
def shared(n_rows, start=0):
    """Divide a batch of `n_rows` samples between the processes inside the block.

    `start` is the position of its first sample in the batch of all domains.
    """
    global _share
    before = _share
    if n_processes() > 1:
        first = (distributed.get_rank() - start) % n_processes()
        _share = n_rows, slice(first, None, n_processes())
    try:
        yield
    finally:
        _share = before


def own(rows):
    """Return this process's samples of a batch: (batch, ...) -> (share, ...)"""
    return rows if _share is None else rows[_share[1]]


def own_sizes(sizes):
    """Return the number of this process's samples of each domain, from those of all."""
    domain = own(np.repeat(np.arange(len(sizes)), sizes))
    return np.bincount(domain, minlength=len(sizes)).tolist()


def whole(rows):
    """Gather the samples of all processes, with gradient: (share, ...) -> (batch, ...)

    The gradient is the sum of the gradients of all processes.
    """
    return rows if _share is None else _Whole.apply(rows, *_share)


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, n_rows, own):
        ctx.own = own
        gathered = rows.new_zeros(n_rows, *rows.shape[1:])
        gathered[own] = rows
        distributed.all_reduce(gathered)
        return gathered

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(gradient)
        return gradient[ctx.own], None, None


def drawn(draw, *args, **kwargs):
    """Return ``draw(*args, **kwargs)`` of the first process, a tensor, in all of them.

    Layers that draw in each process, such as dropout, do not disturb it.
    """
    values = draw(*args, **kwargs)
    if _share is not None:
        distributed.broadcast(values, 0)
    return values


def drawn_like(draw, rows, **kwargs):
    """Return ``draw(batch)`` for this process's `rows` of a batch."""
    if _share is None:
        return draw(rows, **kwargs)
    return own(drawn(draw, rows.new_empty(_share[0], *rows.shape[1:]), **kwargs))


class Step(nn.Module):
    """Outputs of a module, without gradient, and their loss.

    Parameters
    ----------
    module : nn.Module
        From samples to a tuple of outputs.
    criterion : nn.Module
        From the outputs and the targets to the loss.
    """

    def __init__(self, module, criterion):
        super().__init__()
        self.module, self.criterion = module, criterion

    def forward(self, X, *y):
        """(batch, ...), targets -> tuple of (batch, ...), ()"""
        outputs = tuple(whole(output) for output in self.module(own(X)))
        return tuple(part.detach() for part in outputs), self.criterion(*outputs, *y)


def distribute(step):
    """Return a step of training that averages gradients, if there are many processes.

    Warns
    -----
    UserWarning
        If batch normalisation is not shared, on a CPU.
    """
    if n_processes() == 1:
        return step
    device = next(step.parameters()).device
    if any(isinstance(layer, _BatchNorm) for layer in step.modules()):
        if device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(step)
        else:
            warnings.warn(
                "The network has batch normalisation, whose statistics on a CPU are "
                "those of each process's share of a batch: the result differs from "
                "that of one process. Use other layers, such as GroupNorm, or train "
                "on GPUs.",
                UserWarning,
                stacklevel=user_level(),
            )
    # A network may have parameters without use; torch warns if it finds none.
    step.without_use = nn.Parameter(torch.zeros(1, device=device))
    return DistributedDataParallel(step, find_unused_parameters=True)


def end_together():
    """Free the tensors of the last steps, and wait for the other processes.

    Threads of gloo may still hold such tensors, and free them while this waits. If they
    did it when Python ends, they would abort the process: `destroy_process_group` does
    not end these threads once there was a `DistributedDataParallel`.
    """
    if n_processes() > 1:
        gc.collect()  # the step is part of reference cycles
        distributed.barrier()


def take_buffers_of_first(module):
    """Set the buffers of a module, such as running means, to the first process's."""
    if n_processes() > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)
