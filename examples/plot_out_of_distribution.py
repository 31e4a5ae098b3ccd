"""
Training a classifier that does not rely on a shortcut
======================================================

The task is to classify digits as below five or not. In the training data the colour is
a better predictor than the shape, but in the test data the relation between colour and
class is reversed.
"""

# %%
# The images are digits of 8 x 8 pixels in red or green. The colour agrees with the
# label in 90 % of the training samples and in 10 % of the test samples. A quarter of
# the labels is wrong, so that shape can reach an accuracy of 75 % and colour is the
# better predictor in training.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
rng = np.random.default_rng(0)
n = 15 * len(digits.data)
drawn = rng.integers(len(digits.data), size=n)
shape = digits.images[drawn] / 16 + 0.1 * rng.normal(size=(n, 8, 8))
y = (digits.target[drawn] < 5) ^ (rng.random(n) < 0.25)
is_test = np.arange(n) >= 0.8 * n
color = y ^ (rng.random(n) < np.where(is_test, 0.9, 0.1))
X = np.zeros((n, 2, 8, 8), dtype=np.float32)
X[np.arange(n), color.astype(int)] = shape
y = np.where(y, "below five", "five or more")
train, test = ~is_test, is_test

# %%
# A network trained by empirical risk minimisation (ERM) learns the colour.
# :class:`~skalign.NCFALClassifier` is given no environments. It divides the training
# samples into those that agree with the strongest predictor and those that do not, and
# trains so that both have the same risk.

from skalign import MultiDomainClassifier, NCFALClassifier

settings = {"hidden_layer_sizes": (64,), "max_epochs": 5, "random_state": 0}
rows = X.reshape(n, -1)
erm = MultiDomainClassifier(**settings).fit(rows[train], y[train])
ncfal = NCFALClassifier(**settings).fit(rows[train], y[train])

agrees = (color == (y == "below five"))[train]
for environment in ncfal.domains_:
    of_it = ncfal.domain_ == environment
    print(f"{of_it.sum()} samples, colour agrees in {agrees[of_it].mean():.0%}")

# %%
# The left panel shows accuracies, the right panel the features of the test samples by
# NCFAL. These lie on the line between the two vertices of its simplex.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
accuracies = {
    name: [100 * model.score(rows[part], y[part]) for part in (train, test)]
    for name, model in (("ERM", erm), ("NCFAL", ncfal))
}
for k, pair in enumerate(accuracies.values()):
    bars = axes[0].bar([k - 0.2, k + 0.2], pair, 0.4, color=["#0072B2", "#E69F00"])
    labels = axes[0].bar_label(bars, fmt="%.0f", padding=-16, color="white")
    labels[1].set_color("black")
limit = axes[0].axhline(75, color="0.5", linestyle=":")
axes[0].set(xticks=[0, 1], xticklabels=accuracies, ylabel="Accuracy (%)", ylim=(0, 100))
names = ["training", "test, colour reversed", "limit for shape"]
above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "ncols": 2}
axes[0].legend([*bars, limit], names, **above)

place = ncfal.transform(rows[test]) @ ncfal.vertices_[:, 0]
red = color[test] == 1
small = digits.target[drawn][test] < 5
bins = np.linspace(*np.quantile(place, [0.005, 0.995]), 40)
for is_small, colour in ((True, "#D55E00"), (False, "#009E73")):
    for is_red, style in ((True, "-"), (False, "--")):
        chosen = (small == is_small) & (red == is_red)
        axes[1].hist(place[chosen], bins, density=True, histtype="step", color=colour,
                     linestyle=style, label=f"{'0-4' if is_small else '5-9'}, "
                     f"{'red' if is_red else 'green'}")  # fmt: skip
axes[1].set(xlabel="Coordinate along the simplex", ylabel="Density of test samples")
axes[1].legend(**above)

# %%
# On the test data, where the colour is reversed, the accuracy of ERM is far below
# chance. NCFAL is less accurate than ERM on the training data, because it does not use
# colour, and classifies the test data by shape: red and green digits of the same shape
# have the same distribution along the simplex.

plt.show()
