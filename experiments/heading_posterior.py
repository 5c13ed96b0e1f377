"""Question: how much of the error is in the images, and no code could take it away.

The simulator knows the heading θ of every view, from the front of its family. An equivariant code holds e^{imθ} up to a
constant of the object. The best guess of it from one image has the error 1 − E|E[e^{imθ} | image]|², as a share of its
variance. A network of the same kind, trained on the true headings of the training objects for the same time, estimates
it from above, on unseen objects: mean over m = 1, 2.
"""

from __future__ import annotations

import numpy as np
import torch
from baseline_training import Pixels, coder, run
from out_of_plane import SECONDS
from solid_data import SolidData, Views, ambiguous
from torch import Tensor

from geodis.linalg import Array
from geodis.simulators import solid_objects
from geodis.training import convnet

ORDERS = (1, 2)


def rows(seed: int) -> dict[str, float]:
    """For ambiguous depth."""
    return {"ambiguous.irreducible": unexplained(ambiguous(seed), seed)}


def unexplained(data: SolidData, seed: int) -> float:
    """E|e^{imθ} − guess|² over the variance of e^{imθ}, on unseen objects, averaged over the orders."""
    torch.set_num_threads(1)
    pixels, net = Pixels.of(data.fit), convnet(2 * len(ORDERS), seed=seed)
    fit, test = (waves(views, first, seed, data) for views, first in ((data.fit, 0), (data.views, 1)))
    n, m = fit.shape[:2]

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step])
        who, at = rng.integers(n, size=512), rng.integers(m, size=512)
        return (net(pixels(data.fit.images[who, at])) - torch.from_numpy(fit[who, at])).square().mean()

    run(net, loss, SECONDS)
    flat = data.views.images.reshape(-1, *data.views.images.shape[2:])
    guess = coder(net, pixels).codes(flat).reshape(test.shape)
    return float(((guess - test) ** 2).sum() / ((test - test.mean((0, 1))) ** 2).sum())


def waves(views: Views, which: int, seed: int, data: SolidData) -> Array:
    """(cos θ, sin θ, cos 2θ, sin 2θ) (n, m, 4) of the true headings of the fitted (0) or the unseen (1) objects."""
    n_fit, n_held, n_test = len(data.fit.images), len(data.held.images), len(data.views.images)
    poses = solid_objects(n_fit + n_held + n_test, seed).poses  # the objects that `solid_data.solids` rendered
    own = np.arctan2(poses[:, 0, 2], poses[:, 0, 0])
    start = own[:n_fit] if which == 0 else own[n_fit + n_held :]
    heading = start[:, None] + views.angles[..., 0]
    return np.concatenate([f(k * heading)[..., None] for k in ORDERS for f in (np.cos, np.sin)], -1).astype(np.float32)
