"""Autoencoders of pictures: architectures, training, and what is kept of them.

A `Recipe` determines a network. `train` keeps latents, decoder and course of training
in ``benchmarks/cache/direct_alignment``, so that a crash costs one network; `Network`
reads them. Training is that of the paper as far as it is known: Adam, learning rate
1e-3, batches of 64, the mean squared error of pixels in [0, 1].
"""

import os
import time
from dataclasses import astuple, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from skalign import RelativeRepresentation
from skalign.anchors import RandomAnchors
from skalign.datasets import load_idx

BENCHMARKS = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("SKALIGN_BENCHMARK_CACHE", BENCHMARKS / "cache"))
CACHE = CACHE / "direct_alignment"
DATA = Path(os.environ.get("SKALIGN_DATA", BENCHMARKS.parents[1] / "shared" / "data"))

BATCH = 64
MIN_EPOCHS, MAX_EPOCHS = 10, 40
QUICK_PICTURES, QUICK_TEST_PICTURES = 300, 100  # digits, to try the command out
LEVEL = 0.95  # of the error three epochs before; above it the error is level
HELD_OUT = 12  # each twelfth training picture tells when the error is level


@dataclass(frozen=True)
class Recipe:
    """What determines a network.

    `code` is what the decoder reads: "absolute", the latents; "relative", their
    distances to those of `n_anchors` pictures, encoder and decoder trained together; or
    "relative decoder", the same distances in the latents of the absolute network.
    `n_epochs` is None to train until the error is level.
    """

    dataset: str
    architecture: str
    n_latents: int
    seed: int
    code: str = "absolute"
    n_anchors: int = 0
    n_epochs: int | None = None

    @property
    def path(self):
        name = "_".join(str(part) for part in astuple(self)).replace(" ", "-")
        return CACHE / f"{name}.pt"


@cache
def load_images(dataset):
    """Return training pictures, their labels and test pictures.

    Pictures are tensors of shape (n, 1, side, side) with pixels in [0, 1].
    """
    if dataset == "digits":
        digits = load_digits()
        pixels = (digits.images / 16).astype(np.float32)[:, np.newaxis]
        train, test, labels, _ = train_test_split(
            pixels,
            digits.target,
            train_size=QUICK_PICTURES,
            test_size=QUICK_TEST_PICTURES,
            random_state=0,
        )
        return torch.from_numpy(train), labels, torch.from_numpy(test)
    parts = [
        load_idx(dataset, subset=part, data_home=DATA) for part in ("train", "test")
    ]
    train, test = (
        torch.from_numpy(part.data.reshape(-1, 1, 28, 28).astype(np.float32) / 255)
        for part in parts
    )
    return train, parts[0].target, test


def convolutional(side, n_outputs, n_inputs):
    n_cells = (side // 4) ** 2
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * n_cells, n_outputs),
    )
    decoder = nn.Sequential(
        nn.Linear(n_inputs, 32 * n_cells),
        nn.ReLU(),
        nn.Unflatten(1, (32, side // 4, side // 4)),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),
    )
    return encoder, decoder


def dense(side, n_outputs, n_inputs):
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(side**2, 256), nn.ReLU(), nn.Linear(256, n_outputs)
    )
    decoder = nn.Sequential(
        nn.Linear(n_inputs, 256),
        nn.ReLU(),
        nn.Linear(256, side**2),
        nn.Unflatten(1, (1, side, side)),
    )
    return encoder, decoder


ARCHITECTURES = {
    "convolutional": convolutional,
    "dense": dense,
    "variational": convolutional,
}


class Autoencoder(nn.Module):
    """Encoder and decoder, trained to the mean squared error of pixels."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def latents(self, inputs):
        return self.encoder(inputs)

    def error(self, inputs, images):
        return nn.functional.mse_loss(self.decoder(self.latents(inputs)), images)

    loss = error


class Variational(Autoencoder):
    """Kingma and Welling 2014, with a pixel noise of variance 0.02."""

    def latents(self, inputs):
        return self.encoder(inputs).chunk(2, dim=1)[0]

    def loss(self, inputs, images):
        mean, log_variance = self.encoder(inputs).chunk(2, dim=1)
        drawn = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        squares = ((self.decoder(drawn) - images) ** 2).sum(dim=(1, 2, 3))
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
        return (squares / (2 * 0.02) + divergence).mean() / images[0].numel()


class Relative(Autoencoder):
    """The decoder reads distances to anchors (eq. 4), fixed before training.

    The anchors are encoded anew every tenth step, and no gradient runs through them.
    """

    def __init__(self, encoder, decoder, anchors):
        super().__init__(encoder, decoder)
        self.register_buffer("anchors", anchors)
        self._n_steps = 0

    def _error(self, inputs, images, anchor_latents):
        codes = torch.cdist(self.encoder(inputs), anchor_latents)
        return nn.functional.mse_loss(self.decoder(codes), images)

    def error(self, inputs, images):
        return self._error(inputs, images, self.encoder(self.anchors))

    def loss(self, inputs, images):
        if self._n_steps % 10 == 0:
            with torch.no_grad():
                self._anchor_latents = self.encoder(self.anchors)
        self._n_steps += 1
        return self._error(inputs, images, self._anchor_latents)


def relative(n_anchors):
    """The relative representation of eq. 4, of the same anchors in all networks."""
    return RelativeRepresentation(
        RandomAnchors(n_anchors, random_state=0), similarity="euclidean"
    )


def build(recipe, images):
    """Return the network of a recipe, untrained."""
    architecture = ARCHITECTURES[recipe.architecture]
    side, n_latents = images.shape[-1], recipe.n_latents
    if recipe.code == "absolute":
        if recipe.architecture == "variational":
            return Variational(*architecture(side, 2 * n_latents, n_latents))
        return Autoencoder(*architecture(side, n_latents, n_latents))
    encoder, decoder = architecture(side, n_latents, recipe.n_anchors)
    if recipe.code == "relative":
        selector = RandomAnchors(recipe.n_anchors, random_state=0)
        anchors = images[selector.select(images.flatten(1).numpy())]
        return Relative(encoder, decoder, anchors)
    return Autoencoder(nn.Identity(), decoder)


def in_parts(function, *rows):
    """Join what a function returns for parts of 1,000 rows."""
    with torch.inference_mode():
        parts = zip(*(part.split(1000) for part in rows), strict=True)
        return [function(*part) for part in parts]


def fit(network, inputs, images, n_epochs):
    """Train a network; return the course of its error on pictures held out."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    held_out = torch.zeros(len(images), dtype=bool)
    if n_epochs is None:
        held_out[::HELD_OUT] = True
    kept, errors = torch.nonzero(~held_out)[:, 0], []
    for _ in range(n_epochs or MAX_EPOCHS):
        for rows in kept[torch.randperm(len(kept))].split(BATCH):
            optimizer.zero_grad()
            network.loss(inputs[rows], images[rows]).backward()
            optimizer.step()
        if n_epochs is None:
            parts = in_parts(network.error, inputs[held_out], images[held_out])
            errors.append(float(np.mean(parts)))
            if len(errors) >= MIN_EPOCHS and errors[-1] > LEVEL * errors[-4]:
                break
    return errors


def train(recipe):
    """Train the network of a recipe and keep it; nothing if it is kept already."""
    if recipe.path.exists():
        return recipe.path
    start = time.perf_counter()
    torch.set_num_threads(1)
    images, _, test_images = load_images(recipe.dataset)
    inputs, test_inputs = images, test_images
    if recipe.code == "relative decoder":
        latents = Network(replace(recipe, code="absolute", n_anchors=0))
        codes = relative(recipe.n_anchors).fit(latents.latents)
        inputs = torch.from_numpy(codes.transform(latents.latents))
        test_inputs = torch.from_numpy(codes.transform(latents.test_latents))
    torch.manual_seed(recipe.seed)
    network = build(recipe, images)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network.to(device)
    inputs, images, test_inputs = (
        part.to(device) for part in (inputs, images, test_inputs)
    )
    errors = fit(network, inputs, images, recipe.n_epochs)
    state = {
        "decoder": network.decoder.state_dict(),
        "held_out_errors": errors,
        "seconds": time.perf_counter() - start,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
    }
    if recipe.code != "relative decoder":
        state["latents"] = torch.cat(in_parts(network.latents, inputs)).cpu().clone()
        state["test_latents"] = (
            torch.cat(in_parts(network.latents, test_inputs)).cpu().clone()
        )
    CACHE.mkdir(parents=True, exist_ok=True)
    part = recipe.path.with_suffix(f".{os.getpid()}")
    torch.save(state, part)
    part.rename(recipe.path)  # an interrupted run leaves no half file
    return recipe.path


class Network:
    """Latents and decoder of a trained network; trains it if there is none."""

    def __init__(self, recipe):
        state = torch.load(train(recipe), map_location="cpu")
        images, _, self._test_images = load_images(recipe.dataset)
        self._decoder = build(recipe, images).decoder
        self._decoder.load_state_dict(state["decoder"])
        self.recipe = recipe
        self.device = state["device"]
        self.n_epochs = len(state["held_out_errors"]) or recipe.n_epochs
        self.held_out_errors = state["held_out_errors"]
        if "latents" in state:
            self.latents = state["latents"].numpy()
            self.test_latents = state["test_latents"].numpy()

    def decode(self, codes):
        """Return pictures, as a tensor of shape (n, 1, side, side)."""
        codes = torch.from_numpy(np.asarray(codes, dtype=np.float32))
        return torch.cat(in_parts(self._decoder, codes))
