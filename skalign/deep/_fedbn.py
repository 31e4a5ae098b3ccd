"""Which part of a network clients share, and which stays with each of them."""

import numpy as np
import torch
from torch import nn


def split_state(module, *, share_batch_norm=False):
    """Split the state of a network into what is shared and what stays local.

    In federated averaging [1]_ all weights are shared. In FedBN [2]_ layers of batch
    normalisation are not, neither their weights nor their running statistics: each
    client normalises by its own, which is what clients need whose features are shifted
    or scaled against one another.

    Parameters
    ----------
    module : nn.Module
        The network.
    share_batch_norm : bool, default=False
        Whether batch normalisation is shared too.

    Returns
    -------
    shared, local : dict of str to Tensor
        Entries of the module's state, by name; they are its own, not copies. Integers,
        such as the counts of batches seen, are never shared: they have no mean.

    See Also
    --------
    shared_arrays : The shared part, to be sent.
    load_shared_arrays : What has come back, put in its place.

    References
    ----------
    .. [1] H. B. McMahan, E. Moore, D. Ramage, S. Hampson and B. Agüera y Arcas,
       "Communication-efficient learning of deep networks from decentralized data",
       AISTATS 2017, pp. 1273-1282.

    .. [2] X. Li, M. Jiang, X. Zhang, M. Kamp and Q. Dou, "FedBN: federated learning on
       non-IID features via local batch normalization", ICLR 2021.

    Examples
    --------
    >>> from torch import nn
    >>> from skalign.deep import split_state
    >>> shared, local = split_state(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    >>> sorted(shared)
    ['0.bias', '0.weight']
    >>> len(local)
    5
    """
    of_batch_norm = {
        f"{prefix}.{name}".lstrip(".")
        for prefix, layer in module.named_modules(remove_duplicate=False)
        if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        for name in layer.state_dict()
    }
    shared, local = {}, {}
    for name, tensor in module.state_dict().items():
        stays = name in of_batch_norm and not share_batch_norm
        kept = local if stays or not tensor.is_floating_point() else shared
        kept[name] = tensor
    return shared, local


def shared_arrays(module, *, share_batch_norm=False):
    """Copy the shared part of a network's state into arrays.

    Parameters
    ----------
    module : nn.Module
        The network.
    share_batch_norm : bool, default=False
        As in :func:`split_state`.

    Returns
    -------
    arrays : list of ndarray
        In the order of the state; bfloat16, which numpy has not, as float32.
    """
    shared, _ = split_state(module, share_batch_norm=share_batch_norm)
    return [
        (tensor.float() if tensor.dtype == torch.bfloat16 else tensor)
        .numpy(force=True)
        .copy()
        for tensor in shared.values()
    ]


def load_shared_arrays(module, arrays, *, share_batch_norm=False):
    """Put arrays in the place of the shared part of a network's state.

    Parameters
    ----------
    module : nn.Module
        The network; changed in place.
    arrays : list of ndarray
        From :func:`shared_arrays` of such a network, or a mean of several.
    share_batch_norm : bool, default=False
        As in :func:`split_state`.

    Raises
    ------
    ValueError
        If number or shapes are others; the network then stays as it was.
    """
    shared, _ = split_state(module, share_batch_norm=share_batch_norm)
    wanted = [tuple(tensor.shape) for tensor in shared.values()]
    if (came := [np.shape(array) for array in arrays]) != wanted:
        raise ValueError(f"The arrays have the shapes {came}; {wanted} were wanted.")
    with torch.no_grad():
        for tensor, array in zip(shared.values(), arrays, strict=True):
            tensor.copy_(torch.from_numpy(np.array(array)))
