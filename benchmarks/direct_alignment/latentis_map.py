"""Map rows by the variants of latentis 0.0.8, with its own scaling and padding.

    python latentis_map.py rows.npz 0

Runs in an environment that holds latentis, which skalign's needs not; `tables.py`
calls it. Reads X, y and new of ``rows.npz``, and puts the mapped rows in their place.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from latentis.transform.base import StandardScaling
from latentis.transform.dim_matcher import ZeroPadding
from latentis.transform.translate import aligner as variants, functional

path, seed = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
MATRICES = {
    "linear": functional.lstsq_align_state,
    "l-ortho": functional.lstsq_ortho_align_state,
    "ortho": functional.svd_align_state,
}
inner = {
    name: variants.MatrixAligner(name=name, align_fn_state=function)
    for name, function in MATRICES.items()
}
inner["affine"] = variants.SGDAffineAligner(num_steps=300, lr=1e-3, random_seed=seed)
rows = {name: torch.from_numpy(part) for name, part in np.load(path).items()}
mapped = {}
for name, aligner in inner.items():
    translator = variants.Translator(
        aligner,
        x_transform=StandardScaling(),
        y_transform=StandardScaling(),
        dim_matcher=ZeroPadding(),
    )
    translator.fit(rows["X"], rows["y"])
    with torch.no_grad():
        mapped[f"latentis, {name}"] = translator.transform(rows["new"])[0].numpy()
np.savez(path, **mapped)
