"""Nearest-neighbour search across spaces."""

from skalign.retrieval._aligned_retriever import AlignedRetriever

# What is not in __all__ is named in files.
from skalign.retrieval._search import FaissIndex as FaissIndex

__all__ = ["AlignedRetriever"]
