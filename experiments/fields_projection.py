"""Question: does it help to project an ordinary network, once trained, on the equivariant ones.

A plain CNN is trained on two runs of shallow water as for the table. From there two copies go on for REFINED CPU
seconds each with the same settings: one as it is, one projected (`project_equivariant`: the average over the eight
symmetries of the square), whose steps cost eight times as much. Also stored: both without refinement.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from fields_shallow_water import NOISE, network_of, rate_and_noise, trained
from shallow_water_runs import FIXED, STATE, errors, training_runs
from torch import nn

from geodis.actions import FieldSymmetries
from geodis.emulators import FieldDynamics, project_equivariant

RUNS, TRAINED, REFINED, RATE = 2, 60.0, 60.0, 1e-3


def projection(seed: int) -> dict[str, float]:
    """Errors of both copies before and after the refinement, their ratios, how exactly the projected one commutes."""
    start = trained(network_of("cnn", seed), RUNS, seed, *rate_and_noise("cnn", RUNS), TRAINED)
    projected = project_equivariant(start.network, (STATE + FIXED, STATE))
    found = {f"project.plain_before{k}": e for k, e in _errors(start.dynamics_, seed).items()}
    averaged = FieldDynamics(**{**vars(start.dynamics_), "network": projected})
    found |= {f"project.projected_before{k}": e for k, e in _errors(averaged, seed).items()}
    refined = {
        name: trained(network, RUNS, seed, RATE, NOISE, REFINED)
        for name, network in (("plain", copy.deepcopy(start.network)), ("projected", projected))
    }
    for name, emulator in refined.items():
        found |= {f"project.{name}{k}": e for k, e in _errors(emulator.dynamics_, seed).items()}
    found |= {f"project.ratio{k}": found[f"project.projected{k}"] / found[f"project.plain{k}"] for k in (1, 5, 20)}
    found["project.equivariance"] = _deviation(refined["projected"].network, seed)
    return found


def _errors(dynamics: FieldDynamics, seed: int) -> dict[int, float]:
    found = errors(lambda start, steps, fixed: dynamics.rollout(start[:, None], steps, fixed), seed)
    return {k: float(min(e, 1e6)) if np.isfinite(e) else 1e6 for k, e in found.items()}


@torch.no_grad()
def _deviation(network: nn.Module, seed: int) -> float:
    """The largest |f(g·x) − g·f(x)| over the spread of f(x), float64."""
    exact = copy.deepcopy(network).double().eval()
    runs, fixed = training_runs(1, seed)
    x = torch.from_numpy(np.concatenate([runs[:, 0], fixed], 1).astype(np.float64))
    before, after, y, worst = FieldSymmetries(STATE + FIXED, 2), FieldSymmetries(STATE, 2), exact(x), 0.0
    for element in before.group.elements():
        g = np.asarray(element, dtype=np.float64)[None]
        worst = max(worst, float((exact(before.act(g, x)) - after.act(g, y)).abs().max()))
    return worst / float(y.std())


MEASURES = {"project": projection}
