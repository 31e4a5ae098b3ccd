"""Unpaired aligners as steps of supervised pipelines, for two or more domains."""

from skalign.adaptation._domain_adapter import DomainAdapter
from skalign.adaptation._domain_harmonizer import DomainHarmonizer
from skalign.adaptation._labeled_only import LabeledOnly

__all__ = ["DomainAdapter", "DomainHarmonizer", "LabeledOnly"]
