"""Shared and local parts of a network (FedBN)."""

from typing import Any

import numpy as np


def split_state(module, share_batch_norm):
    """Return the shared and the local entries of the state of a network, by name.

    The tensors are those of the module, not copies. Integers, such as the number of
    batches seen, are always local because they cannot be averaged.
    """
    from torch import nn

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


def shared_arrays(module: Any, *, share_batch_norm: bool = False) -> list[Any]:
    """Copy the shared part of the state of a network to arrays.

    Federated averaging [1]_ shares all weights. FedBN [2]_ shares all weights except
    those of batch normalisation; its running statistics stay local too. Each client
    normalises with its own statistics, which is the right choice if the features of
    the clients differ by a shift and a scale. Read more in the
    :ref:`User Guide <federated>`.

    Parameters
    ----------
    module : nn.Module
        Network.
    share_batch_norm : bool, default=False
        Whether to share batch normalisation too. Integers, such as the number of
        batches seen, are always local because they cannot be averaged.

    Returns
    -------
    arrays : list of ndarray
        Arrays in the order of the state. Tensors of dtype bfloat16, which numpy lacks,
        become float32.

    See Also
    --------
    load_shared_arrays : The inverse.

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
    >>> from skalign.federated import shared_arrays
    >>> [array.shape for array in shared_arrays(nn.Linear(2, 3))]
    [(3, 2), (3,)]
    """
    import torch

    shared, _ = split_state(module, share_batch_norm)
    return [
        (tensor.float() if tensor.dtype == torch.bfloat16 else tensor)
        .numpy(force=True)
        .copy()
        for tensor in shared.values()
    ]


def load_shared_arrays(
    module: Any, arrays: list[Any], *, share_batch_norm: bool = False
) -> None:
    """Load arrays into the shared part of the state of a network.

    Parameters
    ----------
    module : nn.Module
        Network; changed in place.
    arrays : list of ndarray
        Result of :func:`shared_arrays` for a network of the same architecture, or the
        mean of several results.
    share_batch_norm : bool, default=False
        Whether batch normalisation is shared, as in :func:`shared_arrays`.

    Raises
    ------
    ValueError
        If the number or the shapes of the arrays differ from those of the shared part.
        The network is then unchanged.

    See Also
    --------
    shared_arrays : The inverse.

    Examples
    --------
    >>> from torch import nn
    >>> from skalign.federated import load_shared_arrays, shared_arrays
    >>> one, other = nn.Linear(2, 3), nn.Linear(2, 3)
    >>> load_shared_arrays(other, shared_arrays(one))
    >>> bool((other.weight == one.weight).all())
    True
    """
    import torch

    shared, _ = split_state(module, share_batch_norm)
    expected = [tuple(tensor.shape) for tensor in shared.values()]
    if (shapes := [np.shape(array) for array in arrays]) != expected:
        raise ValueError(
            f"arrays have the shapes {shapes}; expected {expected}, those of the "
            "shared part of the network."
        )
    with torch.no_grad():
        for tensor, array in zip(shared.values(), arrays, strict=True):
            tensor.copy_(torch.from_numpy(np.array(array)))
