"""Question: do roll-outs of 50 steps hold when a blob is moved by four actions of which only the ids are known.

Pairs of noisy 16 × 16 images, before and after one of four actions. Nobody tells that two actions are inverse, that
they commute or that eight steps lead back. Components that the actions carry into one another (`Components.of`), one
Procrustes operator an action (`SharedTransformations`), inverse and commuting pairs (`inverse_pairs`,
`commuting_pairs`), the order of each pair from its eigenvalues and their noise (`finite_order`), then the nearest
operators that satisfy what was found (`nearest_family`). Where a relation is not found, operators stay as fitted.

Transitions from a quarter of the positions are left out; roll-outs start there, along new sequences of actions, and are
compared with the noise-free image where they should have arrived. Controls: the same operators before they are snapped
(`raw_`), and ridge operators on as many principal components (`ridge_`). Errors are mean squares of a pixel.

Reference: Quessard's environment net (NeurIPS 2020) on one translating blob, 8 × 8 positions, measured on one machine:
pixel error .0044 after 5 steps, .027 after 50; defects: order 8 .104, inverse .024, commutator .0077.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geodis.discovery.finite_order import finite_order
from geodis.discovery.map_classes import AbstractMapClass, Procrustes, Ridge
from geodis.discovery.nearest_finite import nearest_family, relation_defects
from geodis.discovery.operator_relations import commuting_pairs, inverse_pairs
from geodis.discovery.shared_transformations import SharedTransformations
from geodis.discovery.transformation_family import TransformationFamily

Array = NDArray[np.float64]

SIDE, N_POSITIONS = 16, 8
NOISE = 0.02  # of a pixel; the blob's peak is 1
N_TRANSITIONS = 12000
N_LEFT_OUT = 16  # positions that no training transition starts from
N_ROLLOUTS, SHORT, LONG = 400, 5, 50
MOVES = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
ORDER = 8
CLEAR, STRONG, FEWEST = 4.0, 10.0, 8  # components: eigenvalues over the noise's, before and after averaging; how few
WALK = 20  # steps of the average over actions
SLACK = 0.003  # the components are cut off: the actions do not quite map them to one another


@dataclass(frozen=True)
class Blob:
    """The object, its four actions in the order of their ids, and the positions left out."""

    images: Array  # (8, 8, pixels), free of noise
    moves: NDArray[np.int_]
    left_out: NDArray[np.int_]  # (n, 2)
    allowed: NDArray[np.int_]

    def after(self, at: NDArray[np.int_], actions: NDArray[np.int_]) -> NDArray[np.int_]:
        """Positions after the actions of these ids."""
        return (at + self.moves[actions]) % N_POSITIONS

    def seen(self, at: NDArray[np.int_]) -> Array:
        """Images at positions (n, 2)."""
        return self.images[at[:, 0], at[:, 1]]


@dataclass(frozen=True)
class Components:
    """Orthonormal directions of the images that the actions map to one another."""

    axes: Array

    @classmethod
    def of(cls, before: Array, after: Array, actions: NDArray[np.int_], seed: int) -> Components:
        """Principal axes of the second moment averaged over the actions.

        Axes of the images alone mix directions of different frequency, as positions do not come equally often. First
        operators on the clear ones carry their second moment along random words; its eigenvalues then fall into
        clusters that the actions leave alone, and the cut is at the widest gap.
        """
        images = np.concatenate([before, after])
        values, axes = np.linalg.eigh(images.T @ images / len(images))
        noise = float(np.median(values))
        clear = axes[:, values > CLEAR * noise]
        operators = fitted(Procrustes(), before @ clear, after @ clear, actions, seed).operators
        moment = np.diag(values[values > CLEAR * noise] - noise)
        for _ in range(WALK):
            moment = (moment + sum(M @ moment @ M.T + M.T @ moment @ M for M in operators)) / 9
        sizes, turned = (part[..., ::-1] for part in np.linalg.eigh(moment))
        cuts = np.flatnonzero(sizes[:-1] > STRONG * noise)[FEWEST:]
        last = cuts[np.argmax(sizes[cuts] / np.maximum(sizes[cuts + 1], noise))]
        return cls(clear @ turned[:, : last + 1])

    def encode(self, images: Array) -> Array:
        """Images → coordinates."""
        return images @ self.axes

    def decode(self, codes: Array) -> Array:
        """Coordinates → images."""
        return codes @ self.axes.T


def rollouts(seed: int) -> dict[str, float]:
    """Inflation of the roll-out error and defects, of the snapped operators and of the controls."""
    rng = np.random.default_rng([seed, 71])
    blob = random_blob(rng)
    before, after, actions = transitions(blob, rng)
    closed = Components.of(before, after, actions, seed)
    plain = principal(before, after, closed.axes.shape[1])
    family = fitted(Procrustes(), closed.encode(before), closed.encode(after), actions, seed)
    ridge = fitted(Ridge(), plain.encode(before), plain.encode(after), actions, seed)
    snapped, report = relations_snapped(family)
    judged = judge(blob, rng)
    report |= {"blob.components": float(closed.axes.shape[1]), "blob.held_out_error": family.relative_error.value}
    for name, components, operators in (
        ("", closed, snapped), ("raw_", closed, family.operators), ("ridge_", plain, ridge.operators)
    ):  # fmt: skip
        found = judged(components, operators) | defects(blob, operators)
        report |= {f"blob.{name}{key}": value for key, value in found.items()}
    return report


MEASURES = {"blob.rollouts": rollouts}


# --- the data ---------------------------------------------------------------------------------------------------------
def random_blob(rng: np.random.Generator) -> Blob:
    """A lopsided object of two Gaussians on a periodic field; ids of actions in random order."""
    pixel = np.arange(SIDE)
    offset, width = rng.uniform(2.0, 3.0, 2) * rng.choice([-1, 1], 2), rng.uniform(1.6, 2.2, 2)
    images = np.zeros((N_POSITIONS, N_POSITIONS, SIDE * SIDE))
    for i in range(N_POSITIONS):
        for j in range(N_POSITIONS):
            centre = SIDE / N_POSITIONS * np.array([i, j])
            shape = bump(pixel, centre, width[0]) + 0.6 * bump(pixel, centre + offset, width[1])
            images[i, j] = shape.ravel()
    cells = rng.permutation(np.array([(i, j) for i in range(N_POSITIONS) for j in range(N_POSITIONS)]))
    return Blob(images / images.max(), MOVES[rng.permutation(4)], cells[:N_LEFT_OUT], cells[N_LEFT_OUT:])


def bump(pixel: NDArray[np.int_], centre: Array, width: float) -> Array:
    """A Gaussian on the torus of pixels."""
    apart = (pixel[:, None] - centre + SIDE / 2) % SIDE - SIDE / 2
    profile = np.exp(-(apart**2) / (2.0 * width**2))
    return np.asarray(profile[:, 0][:, None] * profile[:, 1][None, :])


def transitions(blob: Blob, rng: np.random.Generator) -> tuple[Array, Array, NDArray[np.int_]]:
    """Noisy images before and after, and the id of the action."""
    at = blob.allowed[rng.integers(len(blob.allowed), size=N_TRANSITIONS)]
    actions = rng.integers(4, size=N_TRANSITIONS)
    clean = blob.seen(at), blob.seen(blob.after(at, actions))
    noisy = [image + NOISE * rng.normal(size=image.shape) for image in clean]
    return noisy[0], noisy[1], actions


# --- the method -------------------------------------------------------------------------------------------------------
def fitted(map_class: AbstractMapClass, z: Array, gz: Array, actions: Array, seed: int) -> TransformationFamily:
    """One operator an action."""
    estimator = SharedTransformations(map_class=map_class, n_folds=10, random_state=seed)
    return estimator.fit(z, gz, actions).family_


def principal(before: Array, after: Array, n: int) -> Components:
    """The first n principal axes of all images."""
    images = np.concatenate([before, after])
    return Components(np.linalg.eigh(images.T @ images)[1][:, -n:])


def relations_snapped(family: TransformationFamily) -> tuple[Array, dict[str, float]]:
    """Operators that satisfy the relations that were found, and how many were.

    Without a decided order, or where two actions do not commute, operators stay as they are.
    """
    pairs = [(family.index(a), family.index(b)) for words, _ in inverse_pairs(family).holding for a, b in [words]]
    commuting = commuting_pairs(family).holding
    orders = orders_of(family, pairs)
    report = {
        "blob.orders_right": float(sum(order == ORDER for order in orders)),
        "blob.inverse_pairs": float(len(pairs)),
        "blob.commuting_pairs": float(len(commuting)),
    }
    decided = [order for order in orders if order is not None]
    if len(decided) < len(orders) or len(commuting) < 6:
        return family.operators, report
    return nearest_family(family.operators, decided, pairs).operators, report


def orders_of(family: TransformationFamily, pairs: list[tuple[int, int]]) -> list[int | None]:
    """The order of each action; inverse ones are two measurements of one."""
    orders: list[int | None] = [None] * family.n_batches
    second_moment = family.second_moment[:-1, :-1]
    single = [(b,) for b in range(family.n_batches) if not any(b in pair for pair in pairs)]
    for group in [*pairs, *single]:
        M, folds = (sum_of[group[0]] for sum_of in (family.operators, np.swapaxes(family.fold_operators, 0, 1)))
        if len(group) == 2:
            M = (M + np.linalg.inv(family.operators[group[1]])) / 2
            folds = (folds + np.linalg.inv(family.fold_operators[:, group[1]])) / 2
        found = finite_order(M, noise=folds, second_moment=second_moment, max_order=16, slack=SLACK)
        for b in group:
            orders[b] = found.order
    return orders


# --- the judgement ----------------------------------------------------------------------------------------------------
def judge(blob: Blob, rng: np.random.Generator) -> Callable[[Components, Array], dict[str, float]]:
    """Roll-outs along fixed new sequences, from the clean image of a position left out."""
    start = blob.left_out[rng.integers(N_LEFT_OUT, size=N_ROLLOUTS)]
    sequence = rng.integers(4, size=(LONG, N_ROLLOUTS))

    def judged(components: Components, operators: Array) -> dict[str, float]:
        at, codes, errors = start, components.encode(blob.seen(start)), []
        for actions in sequence:
            at, codes = blob.after(at, actions), np.einsum("nij,nj->ni", operators[actions], codes)
            errors.append(float(np.square(components.decode(codes) - blob.seen(at)).mean()))
        short, long = errors[SHORT - 1], errors[LONG - 1]
        return {"rollout_inflation": long / short, f"error_{SHORT}": short, f"error_{LONG}": long}

    return judged


def defects(blob: Blob, operators: Array) -> dict[str, float]:
    """The true relations, in the operators: the largest relative defect of each kind, and of all."""
    opposite = {b: a for a in range(4) for b in range(a + 1, 4) if (blob.moves[a] == -blob.moves[b]).all()}
    found = relation_defects(operators, [ORDER] * 4, opposite)
    return {"defect_max": max(found.values()), **{f"defect_{name}": value for name, value in found.items()}}


if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "blob_actions.json", seeds=range(3))
