"""Views of rendered solids turned out of plane: what every method is trained on, chosen on, and scored on.

All is rendered before any clock of training starts and is the same for all methods. Objects of the five sets:

fit      training objects, 12 poses each on a grid of 30° that starts at a random angle
held     further training objects, 24 poses on such a grid: for settings, scalings, distances and element maps
views    unseen objects at 24 random angles: error ratios of methods with a representation
steps    the same unseen objects, 24 poses on a grid that starts at a random angle: those of methods without
content  the same unseen objects at 8 random angles: whose is the nearest other code
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from geodis.linalg import Array
from geodis.simulators import Light, Orthographic, OutOfPlane, Perspective, Renderer, XRay, headlight, solid_objects

Render = Callable[[Array, Array], Array]  # objects (N,), angles (N,) → images (N, H, W) uint8
N_FIT, N_VIEWS, N_HELD, N_TEST = 8000, 12, 300, 200
SIDE, RANDOM, CONTENT = 24, 24, 8
CHUNK = 5000  # images rendered at once


@dataclass(frozen=True)
class Views:
    """Images (n, m, H, W) uint8 of n objects at the angles (n, m, 1) [rad]."""

    images: Array
    angles: Array


@dataclass(frozen=True)
class SolidData:
    """The five sets; `fit`, `held` and the others show different objects, `views`, `steps`, `content` the same."""

    fit: Views
    held: Views
    views: Views
    steps: Views
    content: Views


@cache
def out_of_plane(seed: int) -> SolidData:
    """Identifiable depth: perspective, light from the upper left, 32 × 32 gray. About 20 s, kept in memory."""
    return solids(Renderer(camera=Perspective(), light=Light()), seed)


@cache
def ambiguous(seed: int) -> SolidData:
    """Ambiguous depth: orthographic, lit from the camera: neither size nor shading tells near from far."""
    return solids(Renderer(camera=Orthographic(), light=headlight()), seed)


@cache
def xray(seed: int) -> SolidData:
    """Exactly ambiguous depth: orthographic and transparent; an object and its mirror image in depth look the same."""
    return solids(Renderer(camera=Orthographic(), light=XRay()), seed)


def solids(renderer: Renderer, seed: int, **sizes: int) -> SolidData:
    """Solids of all families in turn, with random headings, turned about the vertical; `sizes` as in `split`."""
    numbers = {"n_fit": N_FIT, "n_held": N_HELD, "n_test": N_TEST} | sizes
    objects = solid_objects(numbers["n_fit"] + numbers["n_held"] + numbers["n_test"], seed)
    action = OutOfPlane()

    def render(who: Array, angles: Array) -> Array:
        parts = [
            renderer(action.act(angles[i : i + CHUNK, None], objects[who[i : i + CHUNK]]))[:, 0]
            for i in range(0, len(who), CHUNK)
        ]
        return np.concatenate([np.round(255 * part).astype(np.uint8) for part in parts])

    return split(render, seed, **sizes)


def split(
    render: Render, seed: int, *, n_fit: int = N_FIT, n_views: int = N_VIEWS, n_held: int = N_HELD, n_test: int = N_TEST
) -> SolidData:
    """Render the five sets; `render` is asked for objects 0 … n_fit + n_held + n_test − 1, in this order."""
    rng = np.random.default_rng([seed, 5])
    fit, held, test = np.split(np.arange(n_fit + n_held + n_test), [n_fit, n_fit + n_held])
    return SolidData(
        fit=_views(render, fit, on_grid(rng, n_fit, n_views)),
        held=_views(render, held, on_grid(rng, n_held, SIDE)),
        views=_views(render, test, at_random(rng, n_test, RANDOM)),
        steps=_views(render, test, on_grid(rng, n_test, SIDE)),
        content=_views(render, test, at_random(rng, n_test, CONTENT)),
    )


def on_grid(rng: np.random.Generator, n: int, m: int) -> Array:
    """Angles (n, m): m even steps of a turn, from a random start for each object."""
    return rng.uniform(0, 2 * np.pi, (n, 1)) + 2 * np.pi * np.arange(m) / m


def at_random(rng: np.random.Generator, n: int, m: int) -> Array:
    """Angles (n, m), independent and uniform."""
    return rng.uniform(0, 2 * np.pi, (n, m))


def _views(render: Render, objects: Array, angles: Array) -> Views:
    n, m = angles.shape
    images = render(np.repeat(objects, m), angles.ravel())
    return Views(images.reshape(n, m, *images.shape[1:]), angles[..., None])
