"""Lift unpaired aligners: into labelled pipelines, and from many domains to one."""

from skalign.adaptation._domain_adapter import DomainAdapter
from skalign.adaptation._domain_harmonizer import DomainHarmonizer
from skalign.adaptation._labeled_only import LabeledOnly

__all__ = ["DomainAdapter", "DomainHarmonizer", "LabeledOnly"]
