"""SequenceModes: the estimator. Planes, frequencies and the torus of sequences at constant unknown velocity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from geodis.discovery.frequency_lattice import FrequencyLattice, fitted_speeds, frequency_lattice
from geodis.discovery.frequency_peaks import noise_and_leak, peak_frequencies, standard_errors, wrapped
from geodis.discovery.rotating_planes import RotatingPlanes
from geodis.discovery.sequence_frames import Plane, Whitened, Whitening, planes_of, released, whitening
from geodis.discovery.sequence_prediction import ForwardErrors, Halves, Misses, forward_skill, misses
from geodis.discovery.sequence_refinement import RotationLoss, joint_frame
from geodis.discovery.sequence_rows import Frames, in_gaps, read_frames
from geodis.discovery.sequence_speeds import joint_speeds
from geodis.discovery.sequence_torus import merged_lattice
from geodis.errors import ParameterError
from geodis.groups.options import count
from geodis.linalg import Array
from geodis.statistics import check_level, permutation_p

KNOWN = 0.5  # rad; sequences whose frequencies are less well known say nothing about integer relations
FEW = 4  # sequences of three frames, below which nothing can be held out


class SequenceModes(BaseEstimator):
    """Planes in which every sequence z_{s,0}, z_{s,1}, … of an embedding rotates, each at speeds of its own.

    Model: z_{s,t} = still part + Σ_r P_r R(ω_{s,r}t) c_{s,r} + noise, with planes P_r common to all sequences. Neither
    group nor speeds are given. Start from moments of single sequences, then alternating closed forms, then Riemannian
    descent on Stiefel × frequencies. A plane is kept when it predicts later frames of sequences that it has not seen.

    Parameters
    ----------
    n_planes : int, optional
        The number of planes; by default as many as have skill above `min_skill` on held-out sequences.
    max_planes : int
        The most planes that are sought.
    min_skill : float
        1 − model/identity error of forward prediction that a plane has to exceed, in [0, 1). Both start from one frame,
        and the speed is an estimate, so that a plane of cross-fitted energy .5 comes out well below .5.
    isometric : bool
        Whether the frame is orthonormal, so that coordinates are a rotation of a part of the embedding. Oblique frames
        can take away still parts and other planes exactly.
    max_weight : int
        Integer relations between frequencies are sought with coefficients up to it.
    max_components : int
        Planes are sought in at most so many principal directions of the embedding.
    ridge : float
        Fraction of the mean motion that is added to the loss of a unit row: among planes that all rotate well it
        prefers those that carry much of the embedding (the lowest harmonics, in the features of a lift).
    n_folds : int
        Folds of sequences.
    n_null : int
        Draws of the null of permuted frames.
    level : float
        Confidence level.
    random_state : int
        Seed of folds, starts and nulls.
    verbose : bool
        Whether to show progress.

    Attributes
    ----------
    modes_ : RotatingPlanes
        The frozen result.
    status_ : str
        Its status.

    References
    ----------
    Miyato, Koyama and Fukumizu, "Unsupervised learning of equivariant structure from sequences", NeurIPS 2022,
    arXiv:2210.05972.

    Examples
    --------
    >>> import numpy as np
    >>> from geodis.discovery.sequence_modes import SequenceModes
    >>> rng = np.random.default_rng(0)
    >>> speed = rng.uniform(-3, 3, size=(24, 1))
    >>> phase = rng.uniform(0, 6, size=(24, 2))[:, None] + np.arange(8)[:, None] * (speed * [1, 2])[:, None]
    >>> Z = np.concatenate([np.cos(phase), np.sin(phase)], axis=2) @ rng.normal(size=(4, 6))
    >>> modes = SequenceModes(n_folds=2, n_null=19).fit(Z).modes_
    >>> modes.rank, sorted(abs(modes.weights).ravel().tolist()), modes.errors.model < 1e-9
    (1, [1, 2], True)
    """

    def __init__(
        self,
        n_planes: int | None = None,
        max_planes: int = 12,
        min_skill: float = 0.1,
        isometric: bool = False,
        max_weight: int = 4,
        max_components: int = 64,
        ridge: float = 0.0,
        n_folds: int = 3,
        n_null: int = 49,
        level: float = 0.95,
        random_state: int = 0,
        verbose: bool = False,
    ) -> None:
        self.n_planes = n_planes
        self.max_planes = max_planes
        self.min_skill = min_skill
        self.isometric = isometric
        self.max_weight = max_weight
        self.max_components = max_components
        self.ridge = ridge
        self.n_folds = n_folds
        self.n_null = n_null
        self.level = level
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, sequence: Any = None, step: Any = None) -> Self:
        """Find planes, frequencies and the torus.

        Parameters
        ----------
        X : array (N, D) or (n_sequences, n_frames, D)
            Embeddings of frames.
        y : None
            Not used.
        sequence : array (N,), optional
            The sequence of each row of a two-dimensional X.
        step : array (N,), optional
            Integer time of each row; gaps are missing frames. The order of rows by default.

        Raises
        ------
        ShapeError, LengthError, FiniteError, ParameterError
            For arrays that do not fit together, NaN, options outside their ranges. Singular data (still sequences,
            fewer frames than dimensions, repeated frames) are a status, never an error.
        """
        self._check()
        frames = read_frames(X, sequence, step)
        self.n_features_in_ = frames.z.shape[1]
        usable, notes = _usable(frames)
        if len(usable) < max(FEW, self.n_folds):
            self.modes_ = _nothing(frames, "insufficient", (*notes, f"{len(usable)} sequences of three frames"), self)
        else:
            self.modes_ = self._fitted(frames, usable, notes)
        self.status_ = self.modes_.status
        return self

    def transform(self, X: Any) -> Array:
        """Coordinates of embeddings."""
        check_is_fitted(self, "modes_")
        return self.modes_.transform(X)

    def _check(self) -> None:
        for name, least in (("max_planes", 1), ("max_weight", 1), ("max_components", 2), ("n_folds", 2), ("n_null", 1)):
            count(getattr(self, name), name, least)
        if self.n_planes is not None:
            count(self.n_planes, "n_planes", 1)
        if not 0.0 <= self.min_skill < 1.0:
            raise ParameterError("min_skill", "a number in [0, 1)", self.min_skill)
        if not (np.isfinite(self.ridge) and self.ridge >= 0.0):
            raise ParameterError("ridge", "a number ≥ 0", self.ridge)
        check_level(self.level)

    def _fitted(self, frames: Frames, usable: Frames, notes: tuple[str, ...]) -> RotatingPlanes:
        whole = _Search.of(usable, self.max_components, self.ridge, [self.random_state, 0])
        if whole.white.n_moving < 2:
            return _nothing(frames, "degenerate", (*notes, "fewer than two directions move"), self)
        folds = np.random.default_rng([self.random_state, 1]).permutation(len(usable)) % self.n_folds
        parts = [
            _Fold(_Search.of(usable.sequences(folds != f), self.max_components, self.ridge, [self.random_state, 2, f]),
                  usable.sequences(folds == f))
            for f in range(self.n_folds)
        ]  # fmt: skip
        skills, p_values = self._grow(parts)
        wanted = self.n_planes
        kept = (
            min(len(skills), wanted)
            if wanted
            else sum(self._passes(s, p) for s, p in zip(skills, p_values, strict=True))
        )
        if not kept:
            return replace(
                _nothing(frames, "degenerate", (*notes, "no plane predicts unseen sequences"), self),
                skills=tuple(skills), p_values=tuple(p_values),
            )  # fmt: skip
        held = Misses.of([part.final(kept, self.isometric) for part in parts])
        planes = whole.final(kept, self.isometric)
        weak = [r for r in range(kept) if not self._passes(skills[r], p_values[r])]
        status = "partial" if weak or (wanted is not None and kept < wanted) else "ok"
        if weak:
            notes = (*notes, f"planes without skill on held-out sequences: {weak}")
        found = _assembled(planes, whole, frames, self)
        return replace(
            found, errors=ForwardErrors.of(held, self.level), skills=tuple(skills), p_values=tuple(p_values),
            status=status, notes=(*found.notes, *notes),
        )  # fmt: skip

    def _passes(self, skill: float, p_value: float) -> bool:
        return skill > self.min_skill and p_value <= max(1.0 - self.level, 1.0 / (1 + self.n_null))

    def _grow(self, parts: list[_Fold]) -> tuple[list[float], list[float]]:
        """Skill and p-value of one plane after another, until one fails (or as many as were asked for)."""
        skills: list[float] = []
        p_values: list[float] = []
        rng = np.random.default_rng([self.random_state, 3])
        most, halves = self.n_planes or self.max_planes, [Halves.of(part.held) for part in parts]
        for _ in tqdm(range(most), desc="planes", disable=not self.verbose):
            codes = [part.next_codes() for part in parts]
            if any(code is None for code in codes):
                break
            found = [code for code in codes if code is not None]
            skill = forward_skill(found, halves)
            null = [
                forward_skill([p.held.within(c).shuffled(rng).z for c, p in zip(found, parts, strict=True)], halves)
                for _ in range(self.n_null)
            ]
            skills.append(skill)
            p_values.append(permutation_p(skill, null))
            if self.n_planes is None and not self._passes(skills[-1], p_values[-1]):
                break
        return skills, p_values


# --- searches ---------------------------------------------------------------------------------------------------------
@dataclass
class _Search:
    """Whitened frames and the planes found in them so far."""

    white: Whitening
    problem: Whitened
    source: Iterator[Plane]
    planes: list[Plane]
    raw: Frames

    @classmethod
    def of(cls, frames: Frames, max_components: int, ridge: float, seed: list[int]) -> _Search:
        white = whitening(frames, max_components)
        problem = white.problem(frames, ridge)
        return cls(white, problem, planes_of(problem, seed), [], frames)

    def take(self, n: int) -> bool:
        """Look for planes until there are n of them; whether there are."""
        while len(self.planes) < n:
            plane = next(self.source, None)
            if plane is None:
                return False
            self.planes.append(plane)
        return True

    def final(self, n: int, isometric: bool) -> tuple[Array, Array]:
        """Rows (R, D) and offsets (R,) of c = w·(z − mean) + b after the joint refinement."""
        self.take(n)
        chosen, q = self.planes[:n], self.white.n_moving
        frequencies = np.stack([plane.frequencies for plane in chosen], axis=1)
        rows = np.stack([plane.row for plane in chosen], axis=1)
        if isometric:
            return self._isometric(rows, frequencies)
        if 2 * len(chosen) <= q and len(chosen) > 1:
            loss = RotationLoss(self.problem.frames, q, self.problem.penalty)
            moved, frequencies = joint_frame(loss, rows[:q], frequencies)
            _, offsets = loss.with_offsets(moved, frequencies)
            share, _, _ = loss.terms(moved, frequencies)
            chosen = [
                Plane(row[:-1], complex(row[-1]), frequencies[:, r], float(share[r]))
                for r, row in enumerate(np.concatenate([moved, offsets]).T)
            ]
        chosen = released(chosen, self.problem)
        return np.stack([p.row @ self.white.basis for p in chosen]), np.array([p.offset for p in chosen])

    def _isometric(self, rows: Array, frequencies: Array) -> tuple[Array, Array]:
        """The same with orthonormal rows in the embedding, from the polar factor of the oblique ones."""
        centred = self.raw.z - self.white.mean
        basis = np.linalg.svd(self.white.basis, full_matrices=False)[2]
        loss = RotationLoss(self.raw.within(centred @ basis.T), len(basis), np.zeros((len(basis), len(basis))))
        start = basis @ (self.white.basis.T @ rows)
        moved, frequencies = joint_frame(loss, start, frequencies)
        return (basis.T @ moved).T, loss.with_offsets(moved, frequencies)[1][-1]


@dataclass
class _Fold:
    """A search on some sequences, and the sequences it has not seen."""

    search: _Search
    held: Frames
    used: int = 0

    def next_codes(self) -> Array | None:
        """Codes (N, 1) of the held-out frames in the next plane; none if there is none."""
        self.used += 1
        if not self.search.take(self.used):
            return None
        return self.search.planes[self.used - 1].codes(self.search.white(self.held).z)[:, None]

    def final(self, n: int, isometric: bool) -> Misses:
        """Forward prediction of the held-out sequences in the first n planes, refined together."""
        rows, offsets = self.search.final(n, isometric)
        mean = self.search.white.mean
        _, leak = noise_and_leak((self.search.raw.z - mean) @ rows.T + offsets, self.search.raw)
        return misses((self.held.z - mean) @ rows.T + offsets, self.held, leak)


# --- the result -------------------------------------------------------------------------------------------------------
def _usable(frames: Frames) -> tuple[Frames, tuple[str, ...]]:
    """Sequences of three different steps or more, and what there is to say."""
    different = np.ones(len(frames.z), dtype=bool)
    different[1:] = (np.diff(frames.steps) != 0) | (np.diff(frames.owner) != 0)
    long = frames.sums(different.astype(np.int64)) >= 3
    notes = () if long.all() else (f"{int((~long).sum())} sequences of fewer than three steps: frequencies only",)
    return (frames.sequences(long) if long.any() else _empty(frames)), notes


def _empty(frames: Frames) -> Frames:
    none = np.zeros(0, dtype=np.int64)
    return Frames(frames.z[:0], none, none, none, frames.labels[:0])


def _assembled(planes: tuple[Array, Array], search: _Search, frames: Frames, options: SequenceModes) -> RotatingPlanes:
    """Scale, synthesis, frequencies of all sequences, lattice, orientation."""
    rows, offsets = planes
    codes = (frames.z - search.white.mean) @ rows.T + offsets
    if not options.isometric:
        size = np.sqrt((np.abs(codes) ** 2).mean(axis=0) / 2.0)
        rows, offsets, codes = rows / size[:, None], offsets / size, codes / size
    noise, leak = noise_and_leak(codes, frames)
    omega = peak_frequencies(codes, frames, leak)
    sigma = standard_errors(omega, codes, frames, noise)
    gap = int(np.gcd.reduce(frames.gaps[frames.counts > 1])) if (frames.counts > 1).any() else 1
    lattice = _lattice(omega, sigma, frames, gap, options)
    if lattice.status == "undecided":
        lattice = merged_lattice(
            lattice, codes, in_gaps(frames, gap), noise, leak, max_weight=options.max_weight, level=options.level,
            seed=options.random_state,
        )  # fmt: skip
        lattice = replace(lattice, speeds=joint_speeds(codes, in_gaps(frames, gap), lattice.weights, noise, leak))
    flip = np.array([-1.0 if w.any() and w[np.flatnonzero(w)[0]] < 0 else 1.0 for w in lattice.weights])
    lattice = replace(lattice, weights=lattice.weights * flip[:, None].astype(np.int64),
                      relations=lattice.relations * flip.astype(np.int64))  # fmt: skip
    rows, offsets = np.where(flip[:, None] < 0, rows.conj(), rows), np.where(flip < 0, offsets.conj(), offsets)
    frame = np.stack([rows.real, rows.imag], axis=1).reshape(-1, rows.shape[1])
    shift = np.stack([offsets.real, offsets.imag], axis=1).ravel()
    synthesis = frame.T if options.isometric else _synthesis(frame, search.white.motion)
    centre = search.white.mean - synthesis @ shift
    window = float(np.median(np.abs(omega) * _span(frames)[:, None]))
    notes = (
        (f"short arcs: half of the sequences turn less than {window:.2g} rad, centers are uncertain",)
        if window < 0.3
        else ()
    )
    return RotatingPlanes(
        frame, synthesis, centre, frames.labels, omega * flip, sigma, noise, leak, _no_errors(options.level), (), (),
        lattice, gap, options.isometric, "ok", notes,
    )  # fmt: skip


def _lattice(omega: Array, sigma: Array, frames: Frames, gap: int, options: SequenceModes) -> FrequencyLattice:
    """The lattice of the sequences whose frequencies are known, with the speeds of all."""
    known = (sigma.max(axis=1) * gap < KNOWN) & (frames.gaps == gap)
    found = frequency_lattice(
        wrapped(omega[known] * gap), sigma[known] * gap, max_weight=options.max_weight, level=options.level,
        seed=options.random_state,
    )  # fmt: skip
    return replace(found, speeds=fitted_speeds(wrapped(omega * gap), np.maximum(sigma * gap, 1e-9), found.weights))


def _synthesis(frame: Array, motion: Array) -> Array:
    """P = MAᵀ(AMAᵀ)⁻¹ with M the covariance within sequences: what moves beside the planes is uncorrelated with them.

    Not the covariance of all rows: content that differs between sequences would leak into it by chance.
    """
    back = motion @ frame.T
    return np.linalg.solve(frame @ back, back.T).T


def _span(frames: Frames) -> Array:
    return np.maximum.reduceat(frames.steps, frames.starts) - frames.steps[frames.starts]


def _no_errors(level: float) -> ForwardErrors:
    return ForwardErrors.of(Misses(*(np.zeros(0) for _ in range(4))), level)


def _nothing(frames: Frames, status: str, notes: tuple[str, ...], options: SequenceModes) -> RotatingPlanes:
    """The result without planes."""
    n, dim = len(frames), frames.z.shape[1]
    none, empty = np.zeros((n, 0)), np.zeros(0)
    return RotatingPlanes(
        np.zeros((0, dim)), np.zeros((dim, 0)), frames.z.mean(axis=0), frames.labels, none, none, empty, empty,
        _no_errors(options.level), (), (), frequency_lattice(none), 1, options.isometric, status, notes,
    )  # fmt: skip
