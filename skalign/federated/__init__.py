"""Fitting where rows must stay where they are: many clients, one map or network."""

from skalign.federated._privacy import gaussian_noise_scale
from skalign.federated._sums import client_sums, fit_from_sums

__all__ = ["client_sums", "fit_from_sums", "gaussian_noise_scale"]
