"""
=========================================
Do classes collapse in every environment?
=========================================

Late in training, the features of a class shrink to one point, and the points of all
classes go to the corners of a regular simplex. Whether a shortcut or the object itself
got them there is seen in an environment where the shortcut is wrong.
"""

# %%
# Digits with a colour that says the class
# ----------------------------------------
# Digits 0 to 4, each in one of five channels. In two training environments the channel
# is that of the digit in 95 and in 85 of 100 images; in the third it is another one.

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
# Training, and a look at every epoch
# -----------------------------------
# The features are what enters the last layer. Its weights, in place of a fixed simplex,
# are the frame that :func:`~skalign.metrics.etf_distance` compares class means with.

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
# Four measures, three environments
# ---------------------------------
# All of them are zero at collapse.

titles = [
    "NC1: spread within classes",
    "NC2: from any simplex",
    "from the weights of the head",
    "NC4: nearest mean disagrees",
]
names = ["colour right in 95 %", "colour right in 85 %", "colour wrong"]
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
# In the training environments classes collapse: NC1 and the distance from the head's
# weights fall, and all digits are told apart in the end, though the small network stays
# away from a regular simplex. Where the colour is wrong, NC1 is a hundred times as
# large, and for ten epochs hardly any digit is named right: it is the colour that has
# collapsed. Small values on the training environments say that training went well; only
# those on another environment tell what was learnt.
