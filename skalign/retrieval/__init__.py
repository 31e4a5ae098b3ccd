"""Find the items of one space by items of another."""

from skalign.retrieval._aligned_retriever import AlignedRetriever

__all__ = ["AlignedRetriever"]
