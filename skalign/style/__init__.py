"""Separation, mixing and randomisation of the style of feature maps."""

from skalign.style._domain_randomizer import DomainRandomizer
from skalign.style._mix_style import MixStyleAugmenter
from skalign.style._style_content import StyleContentSplitter

__all__ = ["DomainRandomizer", "MixStyleAugmenter", "StyleContentSplitter"]
