"""Unpaired aligners as steps of supervised pipelines, for two or more domains."""

from skalign.adaptation._domain_adapter import DomainAdapter
from skalign.adaptation._domain_harmonizer import DomainHarmonizer
from skalign.adaptation._labeled_only import LabeledOnly
from skalign.adaptation._pipeline import make_adaptation_pipeline

__all__ = [
    "DomainAdapter",
    "DomainHarmonizer",
    "LabeledOnly",
    "make_adaptation_pipeline",
]
