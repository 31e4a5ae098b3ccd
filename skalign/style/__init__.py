"""Separation, mixing and randomisation of the style of feature maps."""

from skalign.style._mix_style import mix_style
from skalign.style._randomize_style import randomize_style
from skalign.style._style_content import StyleContentSplitter

__all__ = ["StyleContentSplitter", "mix_style", "randomize_style"]
