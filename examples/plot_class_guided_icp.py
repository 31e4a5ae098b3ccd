"""
=================================================================
Why can matching nearest neighbours collapse, and how to avoid it
=================================================================

The latents of two autoencoders come from different images of handwritten digits, so
there are no pairs. Only the digit of each image is known on both sides.
:class:`~skalign.ICPAligner` matches samples within their class, fits a map to the
matches, and repeats both steps. Whether this succeeds depends on the class of maps.
"""

# %%
# Two latent spaces without common images
# ---------------------------------------
# The source samples are one half of the training images, the target samples the other.

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
# Three classes of maps with the same start
# -----------------------------------------
# All start from the means of the ten classes. Least squares on nearest neighbours is
# the published procedure. The two other maps learn only a rotation from the matches;
# how they scale each direction is estimated from all samples of both sides.

icps = {
    "least squares": ICPAligner(LinearAligner(alpha=0), matching="nearest"),
    "rotation": ICPAligner("rotation"),
    "covariance": ICPAligner("covariance"),
}
n_iters = range(11)
own = decoding_error(digits.target[test])
variances, errors = {}, {}
with warnings.catch_warnings():
    # The fit is stopped after each iteration, which raises a warning.
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "The mapped samples have only")
    for name, icp in icps.items():
        variances[name], errors[name] = [], []
        for n_iter in n_iters:
            icp.set_params(init="means", tol=0, max_iter=n_iter)
            icp.fit(X, y, **classes)
            variances[name].append(icp.variance_ratio_)
            errors[name].append(decoding_error(icp.transform(digits.data[test])) / own)

# %%
# Variance and error by iteration
# -------------------------------
# An error of 1 is that of the decoder on its own latents. "All pairs" is the error of
# a linear map fitted to the pairs of all training images.

train = digits.train_indices
paired = LinearAligner().fit(digits.data[train], digits.target[train])
ceiling = decoding_error(paired.transform(digits.data[test])) / own

figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for ax, curves, level, title in (
    (axes[0], variances, 1, "variance of mapped samples\n(relative to the target)"),
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
# The start is poor: ten means determine only a few of the 24 directions. Least squares
# does not improve on it. The nearest neighbour in the same class is rarely a latent of
# a similar image, so the regression shrinks the mapped samples towards the class mean.
# Their next neighbours are even closer to the mean, and further iterations make it
# worse. `ICPAligner` warns about such a collapse.
#
# The other maps cannot shrink. Although most single matches are wrong, they determine
# the rotation well. If the map transforms the covariance of the source exactly into
# that of the target, the decoder reconstructs images from the latents of another
# network, without a single common training image.
