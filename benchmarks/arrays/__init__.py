"""Arrays of NumPy and torch, on a CPU or a GPU."""
