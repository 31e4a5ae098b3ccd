"""Alignment without pairs on MNIST autoencoder latents: one CSV.

    python benchmarks/unpaired_latents.py train     # a minute a network, resumable
    python benchmarks/unpaired_latents.py measure   # results/unpaired_latents.csv

Networks, latents and decoders are kept in benchmarks/cache. The score of a map is
the decoding error of mapped test latents by the target's own decoder, divided by
the target's own test error: 1 is perfect.
"""

import argparse
import gzip
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
CACHE = HERE / "cache" / "autoencoders"
DATA = Path(os.environ.get("SKALIGN_DATA", HERE.parents[1] / "shared" / "data"))


def read_idx(path):
    """Return the array in a gzipped IDX file of bytes."""
    content = gzip.decompress(path.read_bytes())
    n_dims = content[3]
    shape = np.frombuffer(content, ">i4", n_dims, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_dims).reshape(shape)


def load_images(dataset, part):
    """Return images in [0, 1] of shape (n, 1, 28, 28), and labels."""
    prefix = {"train": "train", "test": "t10k"}[part]
    images = read_idx(DATA / dataset / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(DATA / dataset / f"{prefix}-labels-idx1-ubyte.gz")
    return torch.from_numpy(images[:, None].astype(np.float32) / 255), labels


def convolutional(n_latents):
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, n_latents),
    )
    decoder = nn.Sequential(
        nn.Linear(n_latents, 32 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),
    )
    return encoder, decoder


def dense(n_latents):
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, n_latents)
    )
    decoder = nn.Sequential(
        nn.Linear(n_latents, 256),
        nn.ReLU(),
        nn.Linear(256, 784),
        nn.Unflatten(1, (1, 28, 28)),
    )
    return encoder, decoder


ARCHITECTURES = {"convolutional": convolutional, "dense": dense}


def train(dataset, architecture, n_latents, seed, *, n_epochs=6):
    """Train an autoencoder and keep its latents and decoder; nothing if kept."""
    path = CACHE / f"{dataset}_{architecture}_{n_latents}_{seed}.pt"
    if path.exists():
        return path
    start = time.perf_counter()
    torch.manual_seed(seed)
    images, _ = load_images(dataset, "train")
    test_images, _ = load_images(dataset, "test")
    encoder, decoder = ARCHITECTURES[architecture](n_latents)
    network = nn.Sequential(encoder, decoder)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            batch = images[rows]
            nn.functional.mse_loss(network(batch), batch).backward()
            optimizer.step()
    with torch.inference_mode():
        latents = torch.cat([encoder(part) for part in images.split(1000)])
        test_latents = torch.cat([encoder(part) for part in test_images.split(1000)])
    CACHE.mkdir(parents=True, exist_ok=True)
    state = {
        "latents": latents.clone(),
        "test_latents": test_latents.clone(),
        "decoder": decoder.state_dict(),
        "seconds": time.perf_counter() - start,
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)  # an interrupted run leaves no half file
    return path


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["train", "measure"])
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--architecture", default="convolutional")
    parser.add_argument("--latents", type=int, nargs="+", default=[10, 30, 50])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if options.step == "train":
        for n_latents in options.latents:
            for seed in options.seeds:
                kept = train(options.dataset, options.architecture, n_latents, seed)
                print(kept.name, flush=True)
