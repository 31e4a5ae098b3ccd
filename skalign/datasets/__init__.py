"""Data sets for alignment: simulated, read from files, or encoded by small networks."""

from skalign.datasets._coco_objects import load_coco_objects
from skalign.datasets._coco_places import make_coco_places
from skalign.datasets._colored_coco import make_colored_coco
from skalign.datasets._colored_mnist import make_colored_mnist
from skalign.datasets._digits_latents import load_digits_latents
from skalign.datasets._folders import domains_from_folders, images_from_folders
from skalign.datasets._idx import load_idx
from skalign.datasets._nico import load_nico
from skalign.datasets._paired_spaces import make_paired_spaces
from skalign.datasets._rendered_digits import make_rendered_digits

__all__ = [
    "domains_from_folders",
    "images_from_folders",
    "load_coco_objects",
    "load_digits_latents",
    "load_idx",
    "load_nico",
    "make_coco_places",
    "make_colored_coco",
    "make_colored_mnist",
    "make_paired_spaces",
    "make_rendered_digits",
]
