"""Bring many spaces of the same items to one consensus."""

from skalign.spaces._generalized_procrustes import GeneralizedProcrustes

__all__ = ["GeneralizedProcrustes"]
