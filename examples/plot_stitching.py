"""
==============================================================
Can one network's decoder read another network's latent space?
==============================================================

Two autoencoders of handwritten digits share neither weights nor training images. A map
between their latent spaces lets the decoder of one read what the encoder of the other
has seen.
"""

# %%
# Two latent spaces of the same images
# ------------------------------------
# Rows of `data` and `target` are the same images, as two networks see them.

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
# Stitching is a pipeline
# -----------------------
# Source latents, a map learnt from 30 pairs, and the decoder of the target.

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
# What the decoder makes of them
# ------------------------------
# The number is the mean squared error of a pixel over all 599 test images.

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
# Without a map the decoder returns noise. A rotation is already readable from as few
# as 30 pairs. Least squares has 24 columns to learn from them, and much of what it
# learns is noise; the ridge, whose strength is chosen from the same pairs, comes
# nearest to what the decoder makes of its own latents.

# %%
# A network needs more pairs
# --------------------------
# The same with all pairs there are, and with :class:`~skalign.StitchingRegressor`,
# which is trained for equally many steps each time. The dashed line is what the decoder
# makes of its own latents.

numbers = [30, 100, 300, len(train)]
errors = {"ridge by GCV": [], "stitching network": []}
for n in numbers:
    network = StitchingRegressor(
        4, max_epochs=40, steps_per_epoch=50, device="cpu", random_state=0
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
ax.axhline(own, color="gray", linestyle="--")
ax.set(xscale="log", xlabel="pairs", ylabel="mean squared error of a pixel", ylim=0)
ax.set_xticks(numbers, numbers)
ax.minorticks_off()
ax.legend()
plt.show()

# %%
# With few pairs the network learns more noise than the ridge; with all of them it comes
# nearer to the line, and what is left to gain is small.
