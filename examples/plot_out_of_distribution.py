"""
Training past a shortcut
========================

Digits are to be told below five or not, and in training their colour says so more often
than their shape does. What is left when colour turns round?
"""

# %%
# Digits of 8 x 8 pixels in red or green: the colour agrees with the class in 90 % of
# the training rows and in 10 % of the test rows. A quarter of the labels is wrong, so
# that colour is the better predictor and shape can give 75 %.

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
# A network trained on all rows alike takes the colour.
# :class:`~skalign.NCFALClassifier` is not told of any environment: it finds the rows
# that follow the strongest predictor and those that do not, and trains so that both
# have the same risk.

from skalign import MultiDomainClassifier, NCFALClassifier

settings = {"hidden_layer_sizes": (64,), "max_epochs": 5, "random_state": 0}
rows = X.reshape(n, -1)
erm = MultiDomainClassifier(**settings).fit(rows[train], y[train])
ncfal = NCFALClassifier(**settings).fit(rows[train], y[train])

agrees = (color == (y == "below five"))[train]
for environment in ncfal.domains_:
    of_it = ncfal.domain_ == environment
    print(f"{of_it.sum()} rows, colour agrees in {agrees[of_it].mean():.0%}")

# %%
# Features of the test rows: those of NCFAL lie on the line between the two vertices of
# its simplex, and the sides are the shapes.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
accuracies = {
    name: [100 * model.score(rows[part], y[part]) for part in (train, test)]
    for name, model in (("ERM", erm), ("NCFAL", ncfal))
}
for k, pair in enumerate(accuracies.values()):
    bars = axes[0].bar([k - 0.2, k + 0.2], pair, 0.4, color=["#0072B2", "#E69F00"])
    axes[0].bar_label(bars, fmt="%.0f", padding=-14, color="white")
limit = axes[0].axhline(75, color="0.5", linestyle=":")
axes[0].set(xticks=[0, 1], xticklabels=accuracies, ylabel="Accuracy (%)", ylim=(0, 125))
names = ["training", "test, colour turned round", "all that shape can give"]
axes[0].legend([*bars, limit], names, loc="upper right", frameon=False)

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
axes[1].set(xlabel="Coordinate along the simplex", ylabel="Density of test rows")
axes[1].margins(y=0.35)
axes[1].legend(ncols=2, loc="upper center", frameon=False, fontsize="small")

# %%
# Where the colour turns round, the network trained on all rows alike falls far below
# chance. The other one has lost a little of what colour gave in training, and tells
# shapes: within a shape, red and green digits lie in the same place.

plt.show()
