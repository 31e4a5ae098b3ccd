"""Arithmetic of torch in the precision of its tensors."""

import sys
from contextlib import ExitStack, contextmanager

_DEVICES = ("cpu", "cuda", "mps", "xpu")


@contextmanager
def autocast_off():
    """Switch `torch.autocast` off, if torch is there; also serves as a decorator.

    Products of half precision are too coarse for differences of sums of squares, and
    numpy has no bfloat16.
    """
    torch = sys.modules.get("torch")
    with ExitStack() as stack:
        for device in _DEVICES if torch is not None else ():
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield
