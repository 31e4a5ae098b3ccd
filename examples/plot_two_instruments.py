"""
===================================================
How many samples must a second instrument measure?
===================================================

A model is fitted to spectra of one spectrometer. A second one of the same type measures
slightly different spectra, and the model makes large errors on them. Few samples were
measured by both. From these pairs, :class:`~skalign.LinearAligner` learns a map to the
first instrument. Shrinking it towards the identity, ``prior="identity"``, uses that the
instruments are nearly the same.
"""

# %%
# Spectra of two instruments
# --------------------------
# Spectra are mixtures of twelve substances. The second instrument has a shifted
# wavelength axis, a lower resolution, and a baseline that rises.

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter1d
from sklearn.cross_decomposition import PLSRegression

from skalign import LinearAligner

rng = np.random.default_rng(0)
wavelength = np.linspace(0, 1, 200)
centres = rng.uniform(0.05, 0.95, size=(12, 4))
widths = rng.uniform(0.02, 0.08, size=(12, 4))
bands = np.exp(-(((wavelength - centres[..., None]) / widths[..., None]) ** 2) / 2)
substances = bands.sum(axis=1)
content = rng.dirichlet(np.linspace(8, 1, 12), size=400)


def measure(shift, blur, slope):
    """Spectra of all samples by one instrument."""
    spectra = gaussian_filter1d(content @ substances, blur, axis=1, mode="nearest")
    moved = [np.interp(wavelength + shift, wavelength, row) for row in spectra]
    return np.array(moved) + slope * wavelength + 1e-3 * rng.normal(size=(400, 200))


first, second = measure(0, 2, 0), measure(0.004, 4, 0.08)
model = PLSRegression(12, scale=False).fit(first[:200], content[:200, 0])


def error(spectra):
    """Error of the model on the last samples, in per cent of the content."""
    predicted = np.ravel(model.predict(spectra))
    return 100 * np.sqrt(np.mean((predicted - content[200:, 0]) ** 2))


# %%
# Maps from few shared samples
# ----------------------------
# Means over five draws of the shared samples.

numbers = [3, 5, 8, 12, 20, 40]
priors = {"mean of the target": None, "identity": "identity"}
errors = {name: [] for name in priors}
for n_shared in numbers:
    draws = [rng.choice(200, n_shared, replace=False) for _ in range(5)]
    for name, prior in priors.items():
        aligners = [
            LinearAligner(prior=prior).fit(second[shared], first[shared])
            for shared in draws
        ]
        mapped = [error(aligner.transform(second[200:])) for aligner in aligners]
        errors[name].append(np.mean(mapped))

# %%
# Spectra, and errors of the model
# --------------------------------

shared = np.arange(8)
figure, axes = plt.subplots(1, 3, figsize=(10, 3.8), layout="constrained")
sample = 205
axes[0].plot(wavelength, first[sample], label="first instrument")
axes[0].plot(wavelength, second[sample], label="second instrument")
axes[0].set(title="a sample", xlabel="wavelength", ylabel="absorbance")
axes[0].legend()
axes[1].axhline(0, color="0.6", linestyle="--")
axes[1].plot(wavelength, second[sample] - first[sample], "C1")
for colour, (name, prior) in zip(("C2", "C3"), priors.items(), strict=True):
    aligner = LinearAligner(prior=prior).fit(second[shared], first[shared])
    mapped = aligner.transform(second[sample : sample + 1])[0]
    axes[1].plot(wavelength, mapped - first[sample], colour)
    axes[2].plot(numbers, errors[name], f"{colour}o-", label=f"prior: {name}")
axes[1].set(title="deviation, 8 shared samples", xlabel="wavelength")
axes[2].axhline(error(second[200:]), color="C1", label="no map")
axes[2].axhline(error(first[200:]), color="C0", label="first instrument")
axes[2].set(
    title="error of the model", xlabel="shared samples", ylabel="per cent of content"
)
axes[2].set(xscale="log", yscale="log", xticks=numbers, xticklabels=numbers)
axes[2].minorticks_off()
figure.legend(*axes[2].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# With few shared samples, a map that shrinks towards the mean loses what they do not
# show, and the model does worse than without a map. Shrinking towards the identity
# keeps it, and corrects only the differences that the samples show. With more shared
# samples than substances, both maps are learnt well.
