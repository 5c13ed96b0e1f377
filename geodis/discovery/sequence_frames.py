"""Planes in which every sequence rotates, each sequence at a speed of its own: spectral start and alternation.

A plane is a complex row w and an offset b; the code of a frame is c = w·z + b, and in a right plane c_{s,t} =
a_s e^{iω_s t}. What is minimized is the share of motion that is no rotation,

    λ(w, ω) = Σ_s min_a Σ_t |c_{s,t} − a e^{iω_s t}|²  /  Σ_s Σ_t |c_{s,t} − c̄_s|²,

0 for a right plane, 1 for the identity. Still parts have no denominator and are no solution. Both halves are closed
forms: given the plane, each frequency is the peak of a periodogram; given the frequencies, the plane is the lowest
eigenvector of a Hermitian form. The start comes from the moments Σ_t z_{t+1}z_tᵀ − z_t z_{t+1}ᵀ of single sequences:
on whitened data they are combinations of the rotations' common generators plus cross terms that scatter, so that the
leading directions of their second moment are generators, and eigenvectors of a generator are planes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from scipy.linalg import eigh, null_space
from scipy.sparse import csr_array

from geodis.discovery.frequency_peaks import canonical, peak_frequencies
from geodis.discovery.sequence_rows import Frames
from geodis.linalg import Array

N_GENERATORS, N_MIXED, N_EACH = 4, 8, 4  # leading moments, random combinations of them, planes taken from each
WIDTH = 32  # leading directions in which moments are formed
SHORT, LONG = 6, 200  # alternations of every good start, of the best one
N_POLISHED = 6
POOR = 0.5  # λ of a start in the leading directions, above which all of them are searched
SETTLED = 1e-5  # share of λ by which an alternation has to lower it to go on
STILL = 1e-13  # share of the largest variance below which a direction is rounding
SILENT = 1e-11  # share of a direction's own variance that moves, below which it holds content alone


@final
@dataclass(frozen=True, eq=False)
class Whitening:
    """y = B(z − mean): first the directions that move, scaled to Σ (y − ȳ_s)(y − ȳ_s)ᵀ = 1, then those that stay.

    A direction that stays within every sequence and differs between them is content. No plane turns in it, but a
    plane's row needs it, to take the content away that the moving directions hold as well.

    Attributes
    ----------
    mean : ndarray (D,)
    basis : ndarray (q + m, D)
        B: q moving directions in descending order of their motion, m still ones of unit variance.
    n_moving : int
        q.
    motion : ndarray (D, D)
        Σ_s Σ_t (z − z̄_s)(z − z̄_s)ᵀ.
    """

    mean: Array
    basis: Array
    n_moving: int
    motion: Array

    def __call__(self, frames: Frames) -> Frames:
        """The frames in whitened coordinates."""
        return frames.within((frames.z - self.mean) @ self.basis.T)

    def problem(self, frames: Frames, ridge: float) -> Whitened:
        """The eigenproblem of these frames, with a penalty on rows that are long in the embedding's own unit."""
        inner, q = self(frames), self.n_moving
        rows = np.column_stack([inner.z, np.ones(len(inner.z))])
        size = ridge * float(np.trace(self.motion)) / max(q, 1)
        return Whitened(inner, q, rows, rows.T @ rows, size * self.basis[:q] @ self.basis[:q].T)


@final
@dataclass(frozen=True, eq=False)
class Whitened:
    """Whitened frames with their moments.

    Attributes
    ----------
    frames : Frames
    n_moving : int
        q, the number of leading columns in which planes lie.
    rows, gram : ndarray (N, q + m + 1), (q + m + 1, q + m + 1)
        Frames with a column of ones; their products.
    penalty : ndarray (q, q)
    """

    frames: Frames
    n_moving: int
    rows: Array
    gram: Array
    penalty: Array


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """One plane in whitened coordinates: c = w·y + b; its sequences' frequencies (n,); `share` is λ."""

    row: Array
    offset: complex
    frequencies: Array
    share: float

    def codes(self, y: Array) -> Array:
        """Complex codes (N,)."""
        return np.asarray(y @ self.row + self.offset)


def whitening(frames: Frames, max_components: int) -> Whitening:
    """Of the leading principal directions, at most so many: those that move within sequences, and the others."""
    mean = frames.z.mean(axis=0)
    inner, outer = frames.centred(frames.z), frames.z - mean
    motion, total = inner.T @ inner, outer.T @ outer
    spread, principal = np.linalg.eigh(total)
    kept = np.flatnonzero(spread > STILL * max(spread[-1], np.square(mean).sum()))[::-1][:max_components]
    scaled = principal[:, kept] / np.sqrt(spread[kept])
    share, vectors = np.linalg.eigh(scaled.T @ motion @ scaled)
    moving = np.flatnonzero(share > SILENT)[::-1]
    still = np.flatnonzero(share <= SILENT)
    rows = np.concatenate([(vectors[:, moving] / np.sqrt(share[moving])).T, vectors[:, still].T * len(frames.z) ** 0.5])
    # The moving ones in descending order of their motion in the embedding's own unit: moments are formed in the first.
    turn = np.linalg.svd(rows[: len(moving)] @ scaled.T @ motion, full_matrices=False)[0].T
    rows[: len(moving)] = turn @ rows[: len(moving)]
    return Whitening(mean, rows @ scaled.T, len(moving), motion)


# --- the two halves ---------------------------------------------------------------------------------------------------
def loss_form(frequencies: Array, problem: Whitened) -> Array:
    """L of Σ_s min_a Σ_t |x*(y, 1) − a e^{iωt}|² = x*Lx for x ∈ C^{q+m+1} and frequencies (n,): Hermitian."""
    frames = problem.frames
    angle, size = frequencies[frames.owner] * frames.steps, np.sqrt(frames.counts)[frames.owner]
    ends = np.append(frames.starts, len(angle))
    parts = [
        csr_array((wave / size, np.arange(len(angle)), ends)) @ problem.rows for wave in (np.cos(angle), np.sin(angle))
    ]
    cross = parts[0].T @ parts[1]
    return np.asarray(problem.gram - parts[0].T @ parts[0] - parts[1].T @ parts[1] - 1j * (cross - cross.T))


def best_planes(frequencies: Array, problem: Whitened, basis: Array, n: int = 1) -> list[tuple[Array, complex, float]]:
    """The `n` rows with the least λ for given frequencies, their moving part within the span of `basis` (q, k).

    The still part and the offset have no part in the denominator: they are eliminated (a Schur complement).
    """
    form, q = loss_form(frequencies, problem), problem.n_moving
    rest = np.linalg.pinv(form[q:, q:], rcond=1e-9, hermitian=True) @ form[q:, :q]
    inner = form[:q, :q] - form[:q, q:] @ rest + problem.penalty
    inner = basis.T @ inner.real @ basis + 1j * (basis.T @ inner.imag @ basis)
    values, vectors = eigh((inner + inner.conj().T) / 2.0, subset_by_index=[0, min(n, len(inner)) - 1])
    found = []
    for value, vector in zip(values, vectors.T, strict=True):
        moving = basis @ vector
        whole = np.concatenate([moving, -rest @ moving]).conj()
        found.append((whole[:-1], complex(whole[-1]), max(float(value), 0.0)))
    return found


def alternated(plane: Plane, problem: Whitened, basis: Array, n_steps: int) -> Plane:
    """Frequencies, plane, frequencies, … until λ stops falling."""
    for _ in range(n_steps):
        moved = _with_frequencies(*best_planes(plane.frequencies, problem, basis)[0], problem.frames)
        change = np.abs(np.exp(1j * moved.frequencies) - np.exp(1j * plane.frequencies)).max()
        fallen = plane.share - moved.share
        plane = moved
        if change < 1e-13 or abs(fallen) < SETTLED * plane.share:
            break
    return plane


def _with_frequencies(row: Array, offset: complex, share: float, frames: Frames) -> Plane:
    plane = Plane(row, offset, np.zeros(len(frames)), share)
    found = peak_frequencies(plane.codes(frames.z)[:, None], frames)[:, 0]
    return replace(plane, frequencies=found)


# --- the start --------------------------------------------------------------------------------------------------------
def generator_moments(frames: Frames, n_moving: int) -> Array:
    """Leading directions of the second moment of Σ_t y_{t+1}y_tᵀ − y_t y_{t+1}ᵀ over sequences: (k, d, d), skew.

    Of frames as they are, and of frames minus their sequence's mean: the former see slow turns about the common
    center, the latter turns about a center that each sequence has to itself.
    """
    dim = min(WIDTH, n_moving)
    upper = np.triu_indices(dim, 1)
    first = np.ones(len(frames.z), dtype=bool)
    first[frames.starts + frames.counts - 1] = False
    found = []
    for y in (frames.z[:, :dim], frames.centred(frames.z[:, :dim])):
        now, then = y[first], np.roll(y, -1, axis=0)[first]
        wedge = then[:, upper[0]] * now[:, upper[1]] - then[:, upper[1]] * now[:, upper[0]]
        rows = np.zeros((len(frames), len(upper[0])))
        np.add.at(rows, frames.owner[first], wedge)
        size = frames.sums((y**2).sum(axis=1))
        rows /= np.where(size > 0.0, size, 1.0)[:, None]
        directions = np.linalg.svd(rows, full_matrices=False)[2][:N_GENERATORS]
        skew = np.zeros((len(directions), dim, dim))
        skew[:, upper[0], upper[1]] = directions
        found.append(skew - np.swapaxes(skew, 1, 2))
    return np.concatenate(found)


def starting_rows(moments: Array, basis: Array, rng: np.random.Generator) -> Array:
    """Complex rows (k, q): leading eigenvectors of the generators and of random combinations, within `basis` (q, ·)."""
    mixed = np.einsum("ik,kab->iab", rng.normal(size=(N_MIXED, len(moments))), moments)
    small = basis[: moments.shape[-1]]
    rows = [
        (basis @ np.linalg.eigh(1j * (small.T @ generator @ small))[1][:, ::-1][:, :N_EACH]).conj().T
        for generator in (*moments, *mixed)
    ]
    rows.append((basis @ _complex_normal(rng, (basis.shape[1], N_EACH))).T)
    return np.concatenate(rows)


def starting_planes(codes: Array, rows: Array, frames: Frames, n: int) -> list[Plane]:
    """The `n` starts of least λ with their frequencies, from codes (N, k) of `rows` (k, q)."""
    frequencies = peak_frequencies(codes, frames, n_newton=1)
    loss = (np.abs(frames.centred(canonical(frequencies, codes, frames))) ** 2).sum(axis=0)
    motion = (np.abs(frames.centred(codes)) ** 2).sum(axis=0)
    share = loss / np.maximum(motion, np.finfo(float).tiny)
    best = np.argsort(share, kind="stable")[:n]
    return [Plane(rows[i], 0.0 + 0.0j, frequencies[:, i], float(share[i])) for i in best]


# --- one plane after another ------------------------------------------------------------------------------------------
def planes_of(problem: Whitened, seed: Any) -> Iterator[Plane]:
    """Planes of whitened frames, one after another, each uncorrelated with those before it.

    Ends when fewer than two directions are left. What is uncorrelated in a sample need not be so in truth:
    `released` takes the constraint away.
    """
    rng, frames, q = np.random.default_rng(seed), problem.frames, problem.n_moving
    basis = np.eye(q)
    if q < 2:
        return
    moments = generator_moments(frames, q)
    narrow, wide = leading(problem, WIDTH), basis
    taken = np.zeros((0, q))
    while wide.shape[1] >= 2:
        inner = null_space(taken[:, : narrow.n_moving], rcond=1e-9) if len(taken) else np.eye(narrow.n_moving)
        starts = _started(narrow, inner, moments, rng) if inner.shape[1] >= 2 else []
        if not starts or starts[0].share > POOR:
            starts = [*starts, *_started(problem, wide, moments, rng)]
        good = [alternated(_widened(p, narrow, problem), problem, wide, SHORT) for p in _different(starts)]
        plane = alternated(min(good, key=lambda p: p.share), problem, wide, LONG)
        yield plane
        taken = np.concatenate([taken, [plane.row[:q].real, plane.row[:q].imag]])
        wide = null_space(taken, rcond=1e-9)


def leading(problem: Whitened, width: int) -> Whitened:
    """The same frames in the leading moving directions alone, and the still ones."""
    q = min(width, problem.n_moving)
    kept = np.r_[:q, problem.n_moving : problem.rows.shape[1]]
    frames = problem.frames.within(problem.frames.z[:, kept[:-1]])
    return Whitened(frames, q, problem.rows[:, kept], problem.gram[np.ix_(kept, kept)], problem.penalty[:q, :q])


def _started(problem: Whitened, basis: Array, moments: Array, rng: np.random.Generator) -> list[Plane]:
    """Good starts after some alternations, the best first."""
    frames, q = problem.frames, problem.n_moving
    rows = starting_rows(moments, basis, rng)
    codes = frames.z[:, :q] @ rows.T
    starts = [
        *starting_planes(codes, rows, frames, N_POLISHED),
        *starting_planes(frames.centred(codes), rows, frames, N_POLISHED),
    ]
    still = np.zeros(frames.z.shape[1] - q)
    good = [alternated(replace(p, row=np.append(p.row, still)), problem, basis, SHORT) for p in starts]
    return sorted(good, key=lambda p: p.share)


def _different(starts: list[Plane]) -> list[Plane]:
    """At most N_POLISHED of them, no two with the same frequencies."""
    kept: list[Plane] = []
    for plane in starts:
        if not any(_close(plane, other, 0.1) or _close(_mirrored(plane), other, 0.1) for other in kept):
            kept.append(plane)
    return kept[:N_POLISHED]


def _widened(plane: Plane, narrow: Whitened, wide: Whitened) -> Plane:
    """A plane of the leading directions as one of all: its frequencies are what the next alternation starts from."""
    if len(plane.row) == wide.frames.z.shape[1]:
        return plane
    row = np.zeros(wide.frames.z.shape[1], dtype=np.complex128)
    row[: narrow.n_moving], row[wide.n_moving :] = np.split(plane.row, [narrow.n_moving])
    return replace(plane, row=row)


def released(planes: list[Plane], problem: Whitened, tolerance: float = 0.1) -> list[Plane]:
    """The planes without the demand that they be uncorrelated: each the best row for frequencies of its own.

    Planes with the same frequencies in all sequences are copies; they share one eigenproblem. A plane that changes
    into another, or comes out worse, stays as it was.
    """
    out, eye = list(planes), np.eye(problem.n_moving)
    for copies in same_frequencies(planes, tolerance):
        if len(copies) == 1:
            moved = alternated(planes[copies[0]], problem, eye, LONG)
            if moved.share <= planes[copies[0]].share and _close(moved, planes[copies[0]], tolerance):
                out[copies[0]] = moved
            continue
        lead = alternated(min((planes[i] for i in copies), key=lambda p: p.share), problem, eye, LONG)
        rows = best_planes(lead.frequencies, problem, eye, len(copies))
        for i, (row, offset, share) in zip(copies, rows, strict=True):
            if share <= planes[i].share:
                out[i] = _with_frequencies(row, offset, share, problem.frames)
    parts = np.array([part for plane in out for part in (plane.row.real, plane.row.imag)])[:, : problem.n_moving]
    # Two planes may have become one; the uncorrelated ones never are.
    return out if np.linalg.cond(parts) < 1e4 else planes


def same_frequencies(planes: list[Plane], tolerance: float) -> list[list[int]]:
    """Groups of planes whose frequencies agree up to one sign for all sequences (root mean square of the phase)."""
    groups: list[list[int]] = []
    for i, plane in enumerate(planes):
        for group in groups:
            if _close(plane, planes[group[0]], tolerance) or _close(_mirrored(plane), planes[group[0]], tolerance):
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def _mirrored(plane: Plane) -> Plane:
    return Plane(plane.row.conj(), plane.offset.conjugate(), -plane.frequencies, plane.share)


def _close(one: Plane, two: Plane, tolerance: float) -> bool:
    difference = np.abs(np.exp(1j * one.frequencies) - np.exp(1j * two.frequencies))
    return bool(np.median(difference) < tolerance)


def _complex_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)
