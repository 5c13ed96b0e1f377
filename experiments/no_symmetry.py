"""Question: is a generator ever claimed where there is no symmetry, and is one found where there is.

Twenty data sets without symmetry: tangent vectors at random or along curved random fields; random tangent frames; exact
frames of random curved surfaces; random polynomials; random networks with one or more outputs; a step of a random
simulator; mixtures of anisotropic Gaussians with tangent spaces estimated from neighbours. Their like with a planted
symmetry are the control of power: a tool that never claims anything makes no false claim either.

Every set is judged at level 1 − .05/20, so that with confidence .95 none of the twenty claims is false. Families are
linear, affine or polynomial fields; planted groups act through random linear changes of coordinates, tangents carry
noise. "No symmetry" is a fact of the data sets, not of their size: `large_sample` bounds the smallest defect of the
functions and surfaces from below at 20 times as many points (.07 to .8 of a random field's; polynomials have the
smallest, some below the tolerance of .1, and the missing gap alone forbids a claim).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from geodis.discovery.function_symmetry import function_symmetries, map_symmetries
from geodis.discovery.generator_set import GeneratorSet
from geodis.discovery.neighbour_frames import neighbour_frames
from geodis.discovery.tangent_generators import TangentGenerators
from geodis.discovery.vector_fields import AffineFields, LinearFields, PolynomialFields
from geodis.linalg import Array

N_SETS = 20
LEVEL = 1.0 - 0.05 / N_SETS
NOISE = 0.03  # of planted tangent vectors, relative to their root mean square

Generator = np.random.Generator
DataSet = Callable[[Generator, int], GeneratorSet]  # a source of randomness, how many times as many points


# --- parts ------------------------------------------------------------------------------------------------------------
def mixing(rng: Generator, d: int) -> Array:
    """A random linear change with singular values in [.6, 1.7]."""
    left, right = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
    return np.asarray(left * np.exp(rng.uniform(-0.5, 0.5, d)) @ right)


def network(rng: Generator, d: int, q: int, width: int = 0) -> Callable[[torch.Tensor], torch.Tensor]:
    """A random curved function R^d → R^q: two hidden layers of tanh and sine units, no narrower than its input."""
    h = width or 3 * d + 4
    shapes = [(h, d), (h, h), (q, h)]
    first, second, last = (
        torch.tensor(rng.normal(size=s) * g / np.sqrt(s[1])) for s, g in zip(shapes, (2.0, 2.0, 1.0), strict=True)
    )
    shift = torch.tensor(rng.normal(size=h))
    return lambda x: torch.tanh(torch.sin(x @ first.T + shift) @ second.T) @ last.T


def polynomial(rng: Generator, d: int, degree: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """A polynomial with random coefficients, in terms of every degree."""
    tensors = [torch.tensor(rng.normal(size=(d,) * k) / np.sqrt(d**k)) for k in range(1, degree + 1)]

    def value(x: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(len(x), dtype=x.dtype)
        for tensor in tensors:
            term = tensor.expand(len(x), *tensor.shape)
            while term.ndim > 1:
                term = torch.einsum("n...i,ni->n...", term, x)
            out = out + term
        return out

    return value


def surface(rng: Generator, n: int, k: int, d: int) -> tuple[Array, Array]:
    """Points and exact tangent frames (n, k, d) of a random curved k-surface in R^d."""
    chart = network(rng, k, d)
    u = torch.tensor(rng.uniform(-1.5, 1.5, size=(n, k)), requires_grad=True)
    x = chart(u)
    frames = torch.stack([torch.autograd.grad(x[:, j].sum(), u, retain_graph=True)[0] for j in range(d)], dim=2)
    return x.detach().numpy(), frames.numpy()


def mixture(rng: Generator, n: int, d: int, n_parts: int = 4) -> Array:
    """A mixture of Gaussians, each with its own anisotropic covariance."""
    parts = [rng.normal(size=(n // n_parts, d)) * np.geomspace(1, 0.05, d) @ mixing(rng, d) for _ in range(n_parts)]
    return np.concatenate([part + 1.5 * rng.normal(size=d) for part in parts])


def skew(d: int, i: int, j: int, sign: float = -1.0) -> Array:
    """The rotation (sign −1) or boost (+1) generator of the plane (i, j)."""
    out = np.zeros((d, d))
    out[j, i], out[i, j] = 1.0, sign
    return out


def tangents(fields: object, x: Array, v: Array, **given: object) -> GeneratorSet:
    """Generators of tangent vectors or frames at the level of one of twenty."""
    return TangentGenerators(fields, level=LEVEL).fit(x, v, **given).generators_


def neighbours(fields: object, x: Array, dim: int) -> GeneratorSet:
    """Generators of a cloud whose tangent spaces are estimated."""
    found = neighbour_frames(x, dim)
    return tangents(fields, x, found.frames, repeat=found.repeat, items=found.items)


def turned(generators: list[Array], change: Array) -> Array:
    """Generators (k, d, d) in other coordinates."""
    return np.stack([change @ A @ np.linalg.inv(change) for A in generators])


# --- twenty data sets without symmetry --------------------------------------------------------------------------------
def white_tangents(d: int, n: int, n_transformations: int, affine: bool) -> DataSet:
    def judge(rng: Generator, times: int) -> GeneratorSet:
        x, v = rng.normal(size=(2, n * times, d))
        which = np.arange(len(x)) % n_transformations
        return tangents(AffineFields(d) if affine else LinearFields(d), x, v, transformations=which)

    return judge


def curved_tangents(d: int, n: int) -> DataSet:
    def judge(rng: Generator, times: int) -> GeneratorSet:
        field, x = network(rng, d, d), rng.normal(size=(n * times, d))
        return tangents(AffineFields(d), x, field(torch.tensor(x)).numpy())

    return judge


def random_frames(d: int, k: int, n: int, affine: bool) -> DataSet:
    def judge(rng: Generator, times: int) -> GeneratorSet:
        x = rng.normal(size=(n * times, d)) @ mixing(rng, d)
        return tangents(AffineFields(d) if affine else LinearFields(d), x, rng.normal(size=(len(x), k, d)))

    return judge


def curved_surface(k: int, d: int, n: int) -> DataSet:
    return lambda rng, times: tangents(AffineFields(d), *surface(rng, n * times, k, d))


def random_polynomial(d: int, degree: int, n: int, fields: object) -> DataSet:
    def judge(rng: Generator, times: int) -> GeneratorSet:
        f = polynomial(rng, d, degree)
        return function_symmetries(f, rng.uniform(-1.5, 1.5, size=(n * times, d)), fields, level=LEVEL)

    return judge


def random_network(d: int, q: int, n: int, affine: bool) -> DataSet:
    def judge(rng: Generator, times: int) -> GeneratorSet:
        f, x = network(rng, d, q), rng.normal(size=(n * times, d)) @ mixing(rng, d)
        return function_symmetries(f, x, AffineFields(d) if affine else LinearFields(d), level=LEVEL)

    return judge


def random_step(d: int, n: int) -> DataSet:
    def judge(rng: Generator, times: int) -> GeneratorSet:
        f, x = network(rng, d, d), rng.normal(size=(n * times, d))
        return map_symmetries(f, x, AffineFields(d), level=LEVEL)

    return judge


def random_cloud(d: int, dim: int, n: int) -> DataSet:
    return lambda rng, times: neighbours(AffineFields(d), mixture(rng, n * times, d), dim)


NULLS: dict[str, DataSet] = {
    "white tangents, R^3": white_tangents(3, 300, 1, affine=False),
    "white tangents, 10 transformations, R^6": white_tangents(6, 1500, 10, affine=True),
    "curved field, R^2": curved_tangents(2, 200),
    "curved field, R^4": curved_tangents(4, 800),
    "random lines, R^3": random_frames(3, 1, 200, affine=False),
    "random planes, R^5": random_frames(5, 2, 400, affine=True),
    "random 3-planes, R^8": random_frames(8, 3, 1000, affine=False),
    "curved surface, R^2 in R^4": curved_surface(2, 4, 600),
    "curved surface, R^3 in R^6": curved_surface(3, 6, 1000),
    "quartic, R^2": random_polynomial(2, 4, 400, AffineFields(2)),
    "cubic, R^3": random_polynomial(3, 3, 500, AffineFields(3)),
    "quartic, R^4": random_polynomial(4, 4, 1000, LinearFields(4)),
    "quartic, R^3, quadratic fields": random_polynomial(3, 4, 1500, PolynomialFields(3, 2)),
    "network, R^2": random_network(2, 1, 200, affine=True),
    "network, R^4": random_network(4, 1, 1000, affine=True),
    "network, R^6 to R^3": random_network(6, 3, 1000, affine=True),
    "step of a simulator, R^3": random_step(3, 500),
    "Gaussians, curves in R^2": random_cloud(2, 1, 400),
    "Gaussians, surfaces in R^3": random_cloud(3, 2, 800),
    "Gaussians, surfaces in R^4": random_cloud(4, 2, 1200),
}
FIXED = tuple(NULLS)[7:17]  # sets that have a law of their own, to which more points of the same come


# --- twenty like data sets with one -----------------------------------------------------------------------------------
SO2 = [skew(2, 0, 1)]
SO3 = [skew(3, 0, 1), skew(3, 1, 2), skew(3, 0, 2)]
LORENTZ = [skew(4, 0, j, 1.0) for j in (1, 2, 3)] + [skew(4, 1, 2), skew(4, 2, 3), skew(4, 1, 3)]
HEISENBERG = [np.eye(3)[[i]].T @ np.eye(3)[[j]] for i, j in ((0, 1), (1, 2), (0, 2))]
SL2 = [np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 0.0]])]
SE2 = [np.pad(SO2[0], (0, 1)), *(np.eye(3)[[i]].T @ np.eye(3)[[2]] for i in (0, 1))]


def planted_tangents(generators: list[Array], n: int, n_transformations: int, affine: bool = False) -> DataSet:
    """Noisy velocities under random elements of an algebra, of homogeneous matrices if affine."""

    def judge(rng: Generator, times: int) -> GeneratorSet:
        d = len(generators[0]) - affine
        change = np.eye(len(generators[0]))
        change[:d, :d] = mixing(rng, d)
        x = rng.normal(size=(n * times, d))
        which = np.arange(len(x)) % n_transformations
        matrices = np.tensordot(rng.normal(size=(n_transformations, len(generators))), turned(generators, change), 1)
        rows = np.column_stack([x, np.ones(len(x))]) if affine else x
        v = np.einsum("nab,nb->na", matrices[which], rows)[:, :d]
        v = v + NOISE * np.sqrt(np.square(v).mean()) * rng.normal(size=v.shape)
        return tangents(AffineFields(d) if affine else LinearFields(d), x, v, transformations=which)

    return judge


def planted_frames(generators: list[Array], n: int, points: Callable[[Generator, int], Array]) -> DataSet:
    """Exact tangent spaces of orbits."""

    def judge(rng: Generator, times: int) -> GeneratorSet:
        change = mixing(rng, len(generators[0]))
        x = points(rng, n * times) @ change.T
        frames = np.einsum("kab,nb->nka", turned(generators, change), x)
        return tangents(AffineFields(len(change)), x, frames)

    return judge


def planted_function(
    d: int, n: int, invariants: Callable[[torch.Tensor], torch.Tensor], n_invariants: int, fields: object, q: int = 1
) -> DataSet:
    """A random network of invariants, in changed coordinates."""

    def judge(rng: Generator, times: int) -> GeneratorSet:
        back, outer = torch.tensor(mixing(rng, d)), network(rng, n_invariants, q)
        x = rng.normal(size=(n * times, d))
        return function_symmetries(lambda x: outer(invariants(x @ back)), x, fields, level=LEVEL)

    return judge


def planted_polynomial(n: int, f: Callable[[torch.Tensor], torch.Tensor], d: int, fields: object) -> DataSet:
    """A polynomial with a symmetry, in changed coordinates for linear fields."""

    def judge(rng: Generator, times: int) -> GeneratorSet:
        back = torch.tensor(np.eye(d) if isinstance(fields, PolynomialFields) else mixing(rng, d))
        x = rng.uniform(-1.5, 1.5, size=(n * times, d))
        return function_symmetries(lambda x: f(x @ back), x, fields, level=LEVEL)

    return judge


def planted_step(n: int) -> DataSet:
    """A step that commutes with rotations of the plane and nothing else linear: |x|-dependent turn and stretch."""

    def judge(rng: Generator, times: int) -> GeneratorSet:
        change = mixing(rng, 2)
        there, back = torch.tensor(change.T), torch.tensor(np.linalg.inv(change).T)
        outer = network(rng, 1, 2)

        def step(x: torch.Tensor) -> torch.Tensor:
            y = x @ back
            a, b = outer((y * y).sum(dim=1, keepdim=True)).T
            turned_y = torch.stack([-y[:, 1], y[:, 0]], dim=1)
            return (a[:, None] * y + (1 + b[:, None]) * turned_y) @ there

        return map_symmetries(step, rng.normal(size=(n * times, 2)), AffineFields(2), level=LEVEL)

    return judge


def planted_cloud(n: int, points: Callable[[Generator, int], Array], dim: int) -> DataSet:
    """A cloud on orbits with 0.2 % noise, its tangent spaces estimated."""

    def judge(rng: Generator, times: int) -> GeneratorSet:
        x = points(rng, n * times)
        x = x + 0.002 * rng.normal(size=x.shape)
        return neighbours(AffineFields(x.shape[1]), x @ mixing(rng, x.shape[1]).T, dim)

    return judge


def sphere(rng: Generator, n: int) -> Array:
    """Points of the unit sphere in R^3."""
    x = rng.normal(size=(n, 3))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def circles(radii: tuple[float, ...]) -> Callable[[Generator, int], Array]:
    """Points of a product of circles."""

    def draw(rng: Generator, n: int) -> Array:
        angle = rng.uniform(0, 2 * np.pi, size=(len(radii), n))
        return np.concatenate([[r * np.cos(a), r * np.sin(a)] for r, a in zip(radii, angle, strict=True)]).T

    return draw


def cylinder(rng: Generator, n: int) -> Array:
    """Points of a curved surface of revolution."""
    z, (c, s) = rng.uniform(-1.5, 1.5, size=n), circles((1.0,))(rng, n).T
    return np.stack([(1.2 + np.sin(2 * z)) * c, (1.2 + np.sin(2 * z)) * s, z], axis=1)


def hyperboloid(rng: Generator, n: int) -> Array:
    """Points with |x|² = t² + 1."""
    t = rng.normal(size=(n, 1))
    return np.concatenate([t, np.sqrt(1 + t * t) * sphere(rng, n)], axis=1)


def areas(x: torch.Tensor) -> torch.Tensor:
    """The three areas that three points of the plane span with the origin: invariants of sl(2)."""
    p = x.reshape(len(x), 3, 2)
    return torch.stack([p[:, i, 0] * p[:, j, 1] - p[:, i, 1] * p[:, j, 0] for i, j in ((0, 1), (1, 2), (0, 2))], dim=1)


def products(x: torch.Tensor) -> torch.Tensor:
    """Inner products of two vectors of R^3."""
    a, b = x[:, :3], x[:, 3:]
    return torch.stack([(a * a).sum(1), (a * b).sum(1), (b * b).sum(1)], dim=1)


def interval(x: torch.Tensor) -> torch.Tensor:
    """t² − |x|²."""
    return (x[:, :1] ** 2 - (x[:, 1:] ** 2).sum(1, keepdim=True)) / 2


PLANTED: dict[str, tuple[DataSet, str]] = {
    "one rotation, R^3": (planted_tangents(SO3[:1], 300, 1), "abelian(1)"),
    "so(3) by 10 transformations": (planted_tangents(SO3, 1500, 10), "so(3)"),
    "se(2) by 8 transformations": (planted_tangents(SE2, 800, 8, affine=True), "se(2)"),
    "heisenberg by 8 transformations": (planted_tangents(HEISENBERG, 800, 8), "heisenberg(3)"),
    "so(1,3) by 20 transformations": (planted_tangents(LORENTZ, 2000, 20), "so(1,3)"),
    "frames of circles, R^2": (planted_frames(SO2, 200, lambda rng, n: rng.normal(size=(n, 2))), "abelian(1)"),
    "frames of spheres, R^3": (planted_frames(SO3, 400, sphere), "so(3)"),
    "frames of a hyperboloid, R^4": (planted_frames(LORENTZ, 1000, hyperboloid), "so(1,3)"),
    "frames of a torus, R^4": (
        planted_frames([np.pad(SO2[0], (0, 2)), np.pad(SO2[0], (2, 0))], 600, circles((1.0, 1.5))), "abelian(2)",
    ),
    "quartic of a norm, R^3": (
        planted_polynomial(500, lambda x: ((x**2).sum(1) - 1) ** 2, 3, AffineFields(3)), "so(3)",
    ),
    "quartic of an interval, R^4": (
        planted_polynomial(1000, lambda x: (interval(x)[:, 0] - 1) ** 2, 4, LinearFields(4)), "so(1,3)",
    ),
    "product x·y, R^2": (
        planted_polynomial(400, lambda x: (x[:, 0] * x[:, 1] + 1) ** 2, 2, AffineFields(2)), "abelian(1)",
    ),
    "x² + y⁴, cubic fields": (
        planted_polynomial(4000, lambda x: x[:, 0] ** 2 + x[:, 1] ** 4, 2, PolynomialFields(2, 3)), "",
    ),
    "network of an interval, R^4": (planted_function(4, 1000, interval, 1, AffineFields(4)), "so(1,3)"),
    "network of products, R^6 to R^3": (planted_function(6, 1000, products, 3, AffineFields(6), 3), "so(3)"),
    "network of areas, R^6 to R^3": (planted_function(6, 1000, areas, 3, AffineFields(6), 3), "sl(2)"),
    "step of a simulator, R^2": (planted_step(500), "abelian(1)"),
    "cloud on a circle": (planted_cloud(400, circles((1.0,)), 1), "abelian(1)"),
    "cloud on a sphere": (planted_cloud(800, sphere, 2), "so(3)"),
    "cloud on a torus": (planted_cloud(1200, circles((1.0, 1.5)), 2), "abelian(2)"),
}  # fmt: skip


# --- rows -------------------------------------------------------------------------------------------------------------
def false_claims(seed: int) -> dict[str, float]:
    """False claims among twenty sets, the share left open, and the same of their like with a planted symmetry."""
    nulls = [judge(np.random.default_rng([seed, 1, i]), 1) for i, judge in enumerate(NULLS.values())]
    likes = [judge(np.random.default_rng([seed, 2, i]), 1) for i, (judge, _) in enumerate(PLANTED.values())]
    hits = [right(found, name) for found, (_, name) in zip(likes, PLANTED.values(), strict=True)]
    return {
        "none.false_claims": float(sum(found.n_generators > 0 for found in nulls)),
        "none.undecided": float(sum(found.status != "none" for found in nulls)) / N_SETS,
        "none.power": float(np.mean(hits)),
        "none.power_undecided": float(sum(found.status != "ok" for found in likes)) / N_SETS,
    }


def right(found: GeneratorSet, name: str) -> bool:
    """Whether a generator is claimed and, where a name is planted, the algebra is called so."""
    if not name:
        return found.n_generators > 0
    return found.algebra is not None and found.algebra.answers_to(name)


def large_sample(seed: int, times: int = 20) -> dict[str, float]:
    """Lower bounds of the smallest defect of sets with a law of their own, at many more points."""
    place = {name: i for i, name in enumerate(NULLS)}
    found = {name: NULLS[name](np.random.default_rng([seed, 1, place[name]]), times) for name in FIXED}
    return {name: result.beyond for name, result in found.items()}


MEASURES = {"none.false_claims": false_claims}


if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "no_symmetry.json", seeds=range(3))
