"""Map rows by a variant of latentis 0.0.8, with its own preset of scaling and padding.

    python latentis_map.py affine rows.npz 0

Runs in an environment that holds latentis, which skalign's needs not; `tables.py`
calls it. Reads X, y and new of ``rows.npz``, and writes the mapped rows beside it.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from latentis.transform.base import StandardScaling
from latentis.transform.dim_matcher import ZeroPadding
from latentis.transform.translate import aligner as variants
from latentis.transform.translate import functional

variant, path, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
MATRICES = {
    "linear": functional.lstsq_align_state,
    "l-ortho": functional.lstsq_ortho_align_state,
    "ortho": functional.svd_align_state,
}
if variant == "affine":
    inner = variants.SGDAffineAligner(num_steps=300, lr=1e-3, random_seed=seed)
else:
    inner = variants.MatrixAligner(name=variant, align_fn_state=MATRICES[variant])
translator = variants.Translator(
    inner,
    x_transform=StandardScaling(),
    y_transform=StandardScaling(),
    dim_matcher=ZeroPadding(),
)
rows = {name: torch.from_numpy(part) for name, part in np.load(path).items()}
translator.fit(rows["X"], rows["y"])
with torch.no_grad():
    mapped, _ = translator.transform(rows["new"])
np.save(path.with_suffix(".npy"), mapped.numpy())
