"""
======================================================
Which pairs are wrong, and how many of those named are
======================================================

A list of pairs may contain errors: two files were joined by the wrong key, or an
automatic matching was not always right. :class:`~skalign.RobustAligner` finds such
pairs and fits the map without them. Its parameter `max_fdr` limits the share of right
pairs among those that it names wrong.
"""

# %%
# Latents of two networks, with wrong pairs
# -----------------------------------------
# Two autoencoders of handwritten digits have seen the same images. For 30 % of them,
# the target latent is that of another image. Only six features of the source are used:
# they do not determine the target, so that right pairs have large residuals as well.

import matplotlib.pyplot as plt
import numpy as np

from skalign import LinearAligner, RobustAligner
from skalign.datasets import load_digits_latents

digits = load_digits_latents()
rng = np.random.default_rng(0)
train = digits.train_indices
wrong = rng.random(len(train)) < 0.3
image_of_target = train.copy()
image_of_target[wrong] = rng.permutation(train[wrong])
wrong = image_of_target != train  # some are mapped to themselves
source = digits.data[:, :6]
X, y = source[train], digits.target[image_of_target]

# %%
# Fit, and compare
# ----------------

robust = RobustAligner(max_fdr=0.05, random_state=0).fit(X, y)
named = ~robust.inlier_mask_
test = digits.test_indices
scores = {
    "right pairs alone": LinearAligner().fit(X[~wrong], y[~wrong]),
    "all pairs": LinearAligner().fit(X, y),
    "RobustAligner": robust,
}
for name, aligner in scores.items():
    print(f"R2 of {name}: {aligner.score(source[test], digits.target[test]):.4f}")
print(f"wrong: {wrong.mean():.3f}, estimated: {robust.wrong_share_:.3f}")
print(f"recall: {named[wrong].mean():.3f}, FDR: {(~wrong)[named].mean():.3f}")

# %%
# What was named
# --------------
# Each pair is shown as two images, that of the source latent and that of the target
# latent. On the right, the p-values: those of wrong pairs are uniform, since any two
# samples that do not belong together are as far apart as random ones.


def tile(ax, pairs, title):
    """Show pairs of images in two columns of each tile."""
    size = round(digits.pixels.shape[1] ** 0.5)
    mosaic = np.full((6 * (size + 2), 7 * (2 * size + 4)), np.nan)
    for k, pair in enumerate(pairs[:42]):
        row, column = k // 7 * (size + 2), k % 7 * (2 * size + 4)
        for side, images in enumerate((train, image_of_target)):
            image = digits.pixels[images[pair]].reshape(size, size)
            left = column + side * size
            mosaic[row : row + size, left : left + size] = image
    ax.imshow(mosaic, cmap="gray_r")
    ax.set_title(title)
    ax.axis("off")


figure, axes = plt.subplot_mosaic(
    [["named", "p"], ["others", "rate"]],
    figsize=(9, 5.2),
    width_ratios=[1.3, 1],
    layout="constrained",
)
mixed = rng.permutation(len(train))
tile(axes["named"], mixed[named[mixed]], "named wrong")
tile(axes["others"], mixed[~named[mixed]], "not named")

bins = np.linspace(0, 1, 26)
values = [robust.pvalues_[~wrong], robust.pvalues_[wrong]]
axes["p"].hist(values, bins, stacked=True, label=["right", "wrong"])
axes["p"].set(yscale="log", xlabel="p-value", ylabel="pairs")
axes["p"].legend()

limits = np.array([0.005, 0.01, 0.02, 0.05, 0.1])
fits = [RobustAligner(max_fdr=limit, random_state=0).fit(X, y) for limit in limits]
recall = [np.mean(~fit.inlier_mask_[wrong]) for fit in fits]
rate = [np.mean((~wrong)[~fit.inlier_mask_]) for fit in fits]
axes["rate"].plot(limits, recall, "o-", label="wrong pairs found")
axes["rate"].plot(limits, rate, "o-", label="right among those named")
axes["rate"].plot(limits, limits, "--", color="0.6", label="limit")
axes["rate"].set(xscale="log", xlabel="max_fdr", ylabel="share")
axes["rate"].legend()
plt.show()

# %%
# The map is nearly as good as that of the right pairs alone. Wrong pairs that are not
# named mostly show two similar images: the target happens to be near the right one, and
# the pair does little harm. The more right pairs may be named, the more wrong ones are
# found. The limit is kept on average only: the rate is estimated from the same pairs.
