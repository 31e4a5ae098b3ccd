"""Nearest-neighbour search across spaces."""

from skalign.retrieval._aligned_retriever import AlignedRetriever

__all__ = ["AlignedRetriever"]
