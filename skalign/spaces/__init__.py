"""Alignment of many spaces of the same samples with a consensus."""

from skalign.spaces._generalized_procrustes import GeneralizedProcrustes

__all__ = ["GeneralizedProcrustes"]
