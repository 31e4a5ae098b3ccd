"""
=========================================
Do classes collapse in every environment?
=========================================

Late in training, the features of each class converge to one point, and the points of
all classes to the vertices of a regular simplex. This can happen because of the object
itself or because of a spurious feature (a shortcut). Measuring the collapse in an
environment where the shortcut is wrong shows which of them it is.
"""

# %%
# Digits with a colour that predicts the class
# --------------------------------------------
# Digits 0 to 4, each drawn in one of five channels (colours). In the two training
# environments the colour agrees with the digit in 95 % and in 85 % of the images; in
# the third environment it never does.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from skalign.metrics import (
    etf_distance,
    nc1_variability,
    nc2_equiangularity,
    nc4_disagreement,
)

rng = np.random.default_rng(0)
digits = load_digits(n_class=5)
y = digits.target
environment = rng.permutation(np.arange(len(y)) % 3)
agrees = rng.uniform(size=len(y)) < np.array([0.95, 0.85, 0.0])[environment]
channel = np.where(agrees, y, (y + rng.integers(1, 5, size=len(y))) % 5)
X = np.zeros((len(y), 5, 64))
X[np.arange(len(y)), channel] = digits.data / 16
X = X.reshape(len(y), -1)

# %%
# Training and measurement in each epoch
# --------------------------------------
# The features are the input of the last layer. :func:`~skalign.metrics.etf_distance`
# compares class means with a frame; here it is the weights of the last layer instead of
# a fixed simplex.

train = environment < 2
network = MLPClassifier((64, 16), learning_rate_init=0.002, random_state=0)
n_epochs = 80
history = np.empty((4, n_epochs, 3))
accuracy = np.empty((n_epochs, 3))
for epoch in range(n_epochs):
    network.partial_fit(X[train], y[train], classes=np.arange(5))
    features = X
    for coef, intercept in zip(
        network.coefs_[:-1], network.intercepts_[:-1], strict=True
    ):
        features = np.maximum(features @ coef + intercept, 0)
    rows, frame = (features, y), network.coefs_[-1]
    predicted = network.predict(X)
    history[:, epoch] = (
        nc1_variability(*rows, sample_domain=environment),
        nc2_equiangularity(*rows, sample_domain=environment),
        etf_distance(*rows, frame, sample_domain=environment),
        nc4_disagreement(*rows, predicted, sample_domain=environment),
    )
    for e in range(3):
        accuracy[epoch, e] = np.mean((predicted == y)[environment == e])
print(accuracy[-1].round(2))

# %%
# Four measures in three environments
# -----------------------------------
# All measures are zero at collapse.

titles = [
    "NC1: spread within classes",
    "NC2: distance from a regular simplex",
    "distance from the weights of the head",
    "NC4: disagreement with the nearest mean",
]
names = ["colour agrees in 95 %", "colour agrees in 85 %", "colour never agrees"]
figure, axes = plt.subplots(2, 2, figsize=(8, 6), sharex=True, layout="constrained")
for ax, values, title in zip(axes.flat, history, titles, strict=True):
    for e, name in enumerate(names):
        ax.plot(np.arange(1, n_epochs + 1), values[:, e], label=name)
    ax.set_title(title)
axes[0, 0].set_yscale("log")
axes[0, 1].legend()
for ax in axes.flat[1:]:
    ax.set_ylim(0)
for ax in axes[1]:
    ax.set_xlabel("epoch")
plt.show()

# %%
# In the training environments, the classes collapse: NC1 and the distance from the
# weights of the head decrease, and all digits are classified correctly in the end,
# although the class means of this small network do not reach a regular simplex. In the
# environment with wrong colours, NC1 is a hundred times as large, and in the first ten
# epochs almost no digit is classified correctly: the features have collapsed by colour.
# Small values on the training environments only show that training succeeded; values on
# a different environment show what was learnt.
