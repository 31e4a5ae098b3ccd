"""
==============================================
Two encoders, few pairs or none, and one space
==============================================

Two encoders were applied to different images, so that no image has been seen by both.
:class:`~skalign.WassersteinProcrustesAligner` aligns their spaces from the shapes of
the two sets of samples alone. If a few pairs are known, it uses them as well.
"""

# %%
# Two spaces of handwritten digits
# --------------------------------
# The first encoder takes the leading principal axes of the images. The second one sees
# blurred images in another coordinate system. Each has its own 750 images; 297 others
# are kept for the test.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import ortho_group
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from skalign import RigidAligner, WassersteinProcrustesAligner

digits = load_digits()
sharp = digits.images.reshape(-1, 64)
blurred = gaussian_filter(digits.images, (0, 0.6, 0.6)).reshape(-1, 64)
blurred = blurred @ ortho_group.rvs(64, random_state=0)
order = np.random.default_rng(0).permutation(len(sharp))
first, second, test = np.split(order, [750, 1500])
source = PCA(40).fit(sharp[first]).transform(sharp)
target = PCA(40).fit(blurred[second]).transform(blurred)

# %%
# Align without pairs
# -------------------

aligner = WassersteinProcrustesAligner(random_state=0)
mapped = aligner.fit_transform(source[first], target[second])
print(f"confidence {aligner.confidence_:.2f}; below 0.04 a warning is raised")

# %%
# Crosses are mapped samples. The digits 0 to 5 are drawn in colours, which the aligner
# did not know.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
panels = [
    ("first encoder", source[first], digits.target[first]),
    ("second encoder", target[second], digits.target[second]),
]


def draw(axis, rows, classes, **settings):
    for digit in range(6):
        axis.scatter(*rows[classes == digit, :2].T, color=f"C{digit}", **settings)


for axis, (title, rows, classes) in zip(axes, panels, strict=False):
    draw(axis, rows, classes, s=8)
    axis.set(title=title)
draw(axes[2], target[second], digits.target[second], s=8, alpha=0.4)
draw(axes[2], mapped, digits.target[first], s=14, marker="x", lw=0.8)
axes[2].set(title="both, in the second space")
for axis in axes:
    axis.set_aspect("equal", adjustable="datalim")
    axis.set(xticks=[], yticks=[], xlabel="axis 1", ylabel="axis 2")

# %%
# A few pairs
# -----------
# The pairs are images of the first encoder that the second one has seen, too. The score
# is the share of test images whose own image is the nearest one after mapping.


def hits(aligner):
    sides = aligner.transform(source[test]), target[test]
    units = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    return np.mean((units[0] @ units[1].T).argmax(axis=1) == np.arange(len(test)))


warnings.filterwarnings("ignore", "RigidAligner may have failed")  # few pairs
n_pairs = [0, 5, 10, 20, 50]
alone, both = [1 / len(test)], [hits(aligner)]
for n in n_pairs[1:]:
    paired = first[:n]
    alone.append(hits(RigidAligner().fit(source[paired], target[paired])))
    positions = np.arange(n)[:, None] + [0, len(second)]
    other = WassersteinProcrustesAligner(random_state=0)
    rows = np.concatenate([target[second], target[paired]])
    both.append(hits(other.fit(source[first], rows, pairs=positions)))

figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
places = np.arange(len(n_pairs))
for values, name, shift in (
    (alone, "pairs alone: RigidAligner", -0.2),
    (both, "with the other samples", 0.2),
):
    bars = axis.bar(places + shift, values, width=0.38, label=name)
    axis.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
axis.set(
    xticks=places,
    xticklabels=n_pairs,
    xlabel="number of pairs",
    ylabel="nearest image is the right one",
    ylim=(0, 1.12),
)
figure.legend(loc="outside upper center", ncols=2, frameon=False)
plt.show()
