"""
==============================================================
Can one network's decoder read another network's latent space?
==============================================================

Two autoencoders of handwritten digits share neither weights nor training images. With a
map between their latent spaces, the decoder of one can reconstruct images from the
latents of the other.
"""

# %%
# Two latent spaces of the same images
# ------------------------------------
# Row i of `data` and of `target` is the latent of the same image in the two networks.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skalign import LinearAligner, RigidAligner, StitchingRegressor
from skalign.datasets import load_digits_latents

digits = load_digits_latents()
train, test = digits.train_indices, digits.test_indices
decoder = FrozenEstimator(digits.target_decoder)

# %%
# Stitching with a pipeline
# -------------------------
# The pipeline consists of a map, learnt from 30 pairs, and the decoder of the target.
# Its input is the latents of the source.

maps = {
    "no map": FunctionTransformer(),
    "rotation": RigidAligner(),
    "rotation and scale": RigidAligner(scaling=True),
    "least squares": LinearAligner(alpha=0),
    "ridge by GCV": LinearAligner(),
}
pairs = train[:30]
decoded = {}
for name, aligner in maps.items():
    stitched = make_pipeline(aligner, decoder)
    stitched.fit(digits.data[pairs], digits.target[pairs])
    decoded[name] = stitched.predict(digits.data[test])
decoded["its own latents"] = decoder.predict(digits.target[test])

# %%
# Decoded images
# --------------
# The number is the mean squared error per pixel over all 599 test images.

shown = np.arange(10)
rows = {"image": digits.pixels[test], **decoded}
figure, axes = plt.subplots(len(rows), len(shown), figsize=(8, 6))
for line, (name, images) in zip(axes, rows.items(), strict=True):
    error = np.mean((images - digits.pixels[test]) ** 2)
    label = name if name == "image" else f"{name}\n{error:.4f}"
    line[0].text(-1.0, 3.5, label, ha="right", va="center")
    for ax, image in zip(line, images[shown], strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set_axis_off()
figure.subplots_adjust(left=0.22, right=0.99, top=0.99, bottom=0.01)
plt.show()

# %%
# Without a map, the decoder returns noise. A rotation learnt from only 30 pairs already
# gives recognisable images. Least squares estimates a map of 24 features from these
# pairs and overfits. Ridge regression, whose penalty is chosen from the same pairs, is
# the closest to the images decoded from the target's own latents.

# %%
# A network needs more pairs
# --------------------------
# The next figure compares ridge regression with :class:`~skalign.StitchingRegressor`
# for increasing numbers of pairs. The network is trained for the same number of steps
# each time.

numbers = [30, 100, 300, len(train)]
errors = {"ridge by GCV": [], "stitching network": []}
for n in numbers:
    network = StitchingRegressor(
        4, max_epochs=24, steps_per_epoch=50, device="cpu", random_state=0
    )
    aligners = LinearAligner(), network
    for name, aligner in zip(errors, aligners, strict=True):
        aligner.fit(digits.data[train[:n]], digits.target[train[:n]])
        images = decoder.predict(aligner.transform(digits.data[test]))
        errors[name].append(np.mean((images - digits.pixels[test]) ** 2))
own = np.mean((decoded["its own latents"] - digits.pixels[test]) ** 2)

figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
for name, of in errors.items():
    ax.plot(numbers, of, "o-", label=name)
ax.axhline(own, color="gray", linestyle="--", label="its own latents")
ax.set(xscale="log", xlabel="pairs", ylabel="mean squared error per pixel")
ax.set_ylim(0, 1.05 * max(map(max, errors.values())))
ax.set_xticks(numbers, numbers)
ax.minorticks_off()
ax.legend()
plt.show()

# %%
# With few pairs, the network overfits more than ridge regression. With all pairs it is
# more accurate, and its error is close to that of the decoder on its own latents.
