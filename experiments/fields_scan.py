"""Question: which irreps of the square's symmetries do the layers of an emulator hold, ordinary or geometric.

A plain CNN and a geometric network are trained on eight runs of shallow water for SECONDS CPU seconds each; the eight
symmetries of the square act on states of other runs, and every layer is scanned (`scan_layers`): the energy of the best
copy of each irrep of B_2 on items that no fit has seen, one where the layer moves with the state exactly.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fields_shallow_water import network_of, rate_and_noise, trained
from shallow_water_runs import FIXED, STATE, runs_of

from geodis import LayerScan, scan_layers
from geodis.actions import FieldSymmetries

RUNS, SECONDS = 8, 40.0
SCANNED, TIMES = 32, 4  # runs, each a cluster, and snapshots of each
LAYERS = {
    "net": ["first", "blocks.0", "blocks.1", "blocks.2", "last"],
    "cnn": ["first", "blocks.0", "blocks.1", "last"],
}
DOCS = Path(__file__).parent.parent / "docs"


def scanned(name: str, seed: int) -> LayerScan:
    """The scan of one trained network."""
    emulator = trained(network_of(name, seed), RUNS, seed, *rate_and_noise(name, RUNS), SECONDS)
    runs, fixed = runs_of(SCANNED, [seed, 777], 4 * TIMES)
    states = np.concatenate([runs[:, 4 * t] for t in range(TIMES)])
    turn = np.concatenate([fixed] * TIMES)
    dynamics = emulator.dynamics_
    sizes, still = dynamics.scale.size.numpy(), dynamics.fixed_scale
    items = np.concatenate([(states / sizes[:, None, None]), turn / still.size.numpy()[:, None, None]], 1)
    which = np.tile(np.arange(SCANNED), TIMES)
    return scan_layers(
        emulator.network.eval(), items.astype(np.float32), FieldSymmetries(STATE + FIXED, 2), LAYERS[name],
        n_elements=8, n_null=99, clusters=which, seed=seed,
    )  # fmt: skip


def layers(seed: int) -> dict[str, float]:
    """Mean over irreps of the best copy's energy, layer by layer, and the least of them."""
    found = {}
    for name in ("net", "cnn"):
        scan = scanned(name, seed)
        for layer in LAYERS[name]:
            found[f"scan.{name}.{layer}"] = float(scan.rows[scan.rows["layer"] == layer]["energy"].mean())
        found[f"scan.{name}.least"] = float(scan.rows["energy"].min())
    return found


MEASURES = {"scan": layers}
