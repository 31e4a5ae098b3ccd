"""
======================================================
Why does matching rows collapse, and what prevents it?
======================================================

Two autoencoders have seen different images of handwritten digits, so no row of one is a
row of the other. All that both sides know is which digit each image shows.
:class:`~skalign.ICPAligner` matches rows within their class, fits a map to the matches,
and starts again. Whether this ends well depends on the map.
"""

# %%
# Two latent spaces without a common image
# ----------------------------------------
# Source rows are one half of the training images, target rows are the other.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skalign import ICPAligner, LinearAligner
from skalign.datasets import load_digits_latents

digits = load_digits_latents()
test = digits.test_indices
shuffled = np.random.default_rng(0).permutation(digits.train_indices)
source, target = np.array_split(shuffled, 2)
X, y = digits.data[source], digits.target[target]
classes = {"labels": digits.labels[source], "target_labels": digits.labels[target]}


def decoding_error(latents):
    """Squared error of the target's decoder on the test images."""
    return np.mean((digits.target_decoder.predict(latents) - digits.pixels[test]) ** 2)


# %%
# Three maps, from the same start
# -------------------------------
# All start from the means of the ten classes. Least squares on nearest neighbours is
# the published procedure. The two other maps turn as the matches say, but how far they
# stretch is known from all rows of both sides.

icps = {
    "least squares": ICPAligner(LinearAligner(alpha=0), matching="nearest"),
    "rotation": ICPAligner("rotation"),
    "covariance": ICPAligner("covariance"),
}
n_iters = range(11)
own = decoding_error(digits.target[test])
variances, errors = {}, {}
with warnings.catch_warnings():
    # To see each iteration the fit is stopped there, and that it warns of.
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "The mapped rows have only")
    for name, icp in icps.items():
        variances[name], errors[name] = [], []
        for n_iter in n_iters:
            icp.set_params(init="means", tol=0, max_iter=n_iter)
            icp.fit(X, y, **classes)
            variances[name].append(icp.variance_ratio_)
            errors[name].append(decoding_error(icp.transform(digits.data[test])) / own)

# %%
# What each iteration does
# ------------------------
# An error of 1 is that of the decoder on its own latents; "all pairs" is what least
# squares reaches when every training image is seen by both networks.

train = digits.train_indices
paired = LinearAligner().fit(digits.data[train], digits.target[train])
ceiling = decoding_error(paired.transform(digits.data[test])) / own

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for ax, curves, level, title in (
    (axes[0], variances, 1, "variance of mapped rows\n(share of the target's)"),
    (axes[1], errors, ceiling, "decoding error\n(ratio to the target's own)"),
):
    for name, curve in curves.items():
        ax.plot(n_iters, curve, label=name)
    label = "all pairs" if level != 1 else None
    ax.axhline(level, color="0.6", linestyle="--", label=label)
    ax.set(title=title, xlabel="iterations")
figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right")
plt.show()

# %%
# The start is poor: ten means say nothing of most of 24 directions. Least squares never
# gets away from it. A nearest neighbour of the same class is seldom the same image, so
# the regression is drawn to the mean of the class; the shrunken rows then find their
# neighbours even further inside, and more iterations make it worse. `ICPAligner` warns
# of such a collapse.
#
# The other maps cannot shrink, and the matches, wrong as they are one by one, say well
# how to turn. With the covariance of the source carried exactly to that of the target,
# the decoder reads rows of a stranger that shares no image with it.
