"""A paper on direct alignment reproduced."""
