"""Data to align: made, read from files, or encoded on the spot."""

from skalign.datasets._colored_mnist import make_colored_mnist
from skalign.datasets._digits_latents import load_digits_latents
from skalign.datasets._idx import load_idx, read_idx
from skalign.datasets._paired_spaces import make_paired_spaces

__all__ = [
    "load_digits_latents",
    "load_idx",
    "make_colored_mnist",
    "make_paired_spaces",
    "read_idx",
]
