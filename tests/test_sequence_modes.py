"""Sequences at constant unknown velocity: planes, frequencies and torus are found, singular batches are a status."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from geodis.discovery.frequency_lattice import frequency_lattice
from geodis.discovery.frequency_peaks import noise_and_leak, peak_frequencies, standard_errors, wrapped
from geodis.discovery.sequence_frames import whitening
from geodis.discovery.sequence_modes import SequenceModes
from geodis.discovery.sequence_refinement import RotationLoss
from geodis.discovery.sequence_rows import read_frames
from geodis.discovery.sequence_speeds import joint_speeds, speed_margins
from geodis.discovery.sequence_torus import merged_lattice
from geodis.errors import FiniteError, GeodisError, LengthError, ParameterError, ShapeError

QUICK = {"n_folds": 2, "n_null": 19}


def planted(weights=((1, 0), (0, 1)), n=40, T=8, dim=10, noise=0.0, content=2, upright=False, seed=0):
    """Sequences (n, T, dim) through a random mix, frequencies (n, R); upright ones all start at phase 0."""
    rng = np.random.default_rng(seed)
    w = np.array(weights)
    omega = rng.uniform(-np.pi, np.pi, (n, w.shape[1])) @ w.T
    a = rng.uniform(0.5, 1.5, (n, len(w))) * (1.0 if upright else np.exp(1j * rng.uniform(0, 6.3, (n, len(w)))))
    c = a[:, None] * np.exp(1j * omega[:, None] * np.arange(T)[None, :, None])
    still = np.repeat(rng.normal(size=(n, 1, content)), T, axis=1)
    latent = np.concatenate([c.real, c.imag, still], axis=2)
    z = latent @ (rng.normal(size=(latent.shape[2], dim)) / np.sqrt(dim)) + 3.0
    return z + noise * rng.normal(size=z.shape), wrapped(omega)


def worst(found, true):
    """The largest error of the best-matching plane up to a sign, for every true plane."""
    errors = [
        min(np.abs(wrapped(sign * found[:, i] - true[:, r])).max() for i in range(found.shape[1]) for sign in (1, -1))
        for r in range(true.shape[1])
    ]
    return max(errors)


CASES = {
    "torus": {},
    "upright start": {"upright": True},
    "three frames": {"T": 3, "n": 60},
    "no content": {"content": 0},
    "more dimensions than frames": {"dim": 30},
    "harmonics": {"weights": ((1,), (2,))},
    "copies": {"weights": ((1, 0), (1, 0), (0, 1)), "n": 60},
}


@cache
def fitted(case):
    z, omega = planted(**CASES[case])
    return SequenceModes(**QUICK).fit(z).modes_, z, omega


# --- planted planes ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", CASES)
def test_exact_sequences_are_found_exactly(case):
    modes, _, omega = fitted(case)
    assert modes.status == "ok"
    assert modes.n_planes == omega.shape[1]
    assert worst(modes.frequencies, omega) < 1e-8
    assert modes.errors.model < 1e-12
    assert modes.errors.identity > 0.5
    assert modes.rank == np.array(CASES[case].get("weights", ((1, 0), (0, 1)))).shape[1]
    assert np.abs(modes.frame @ modes.synthesis - np.eye(len(modes.frame))).max() < 1e-9


@pytest.mark.parametrize("case", ["torus", "harmonics", "copies"])
def test_the_operator_of_a_speed_moves_a_sequence_on(case):
    modes, z, _ = fitted(case)
    moved = np.einsum("nab,ntb->nta", modes.operator(modes.lattice.speeds), z[:, :-1] - modes.centre) + modes.centre
    assert np.abs(moved - z[:, 1:]).max() < 1e-6
    back = modes.operator(-modes.lattice.speeds) @ modes.operator(modes.lattice.speeds)
    assert np.abs(back - np.eye(z.shape[2])).max() < 1e-9


def test_noise_shows_in_the_errors_and_the_standard_errors_are_right():
    z, omega = planted(noise=0.02, n=80, content=0)
    modes = SequenceModes(n_planes=2, **QUICK).fit(z).modes_
    best = [min((wrapped(s * modes.frequencies[:, i] - omega[:, r]) for i in (0, 1) for s in (1, -1)),
                key=lambda x: (x**2).mean()) for r in (0, 1)]  # fmt: skip
    ratio = np.stack(best, axis=1) / modes.frequency_errors[:, [0, 1] if _first(modes, omega) == 0 else [1, 0]]
    assert 0.7 < np.sqrt((ratio**2).mean()) < 1.4
    assert 1e-5 < modes.errors.model < 0.05
    assert modes.errors.interval.low < modes.errors.model < modes.errors.interval.high
    assert modes.status == "ok"


def _first(modes, omega):
    """Which true plane the first found one is."""
    return int(np.argmin([worst(modes.frequencies[:, :1], omega[:, r : r + 1]) for r in (0, 1)]))


def test_missing_frames_and_ragged_lengths_change_nothing():
    rng = np.random.default_rng(3)
    z, omega = planted(T=12)
    kept = rng.random(z.shape[:2]) < 0.7
    kept[:, :2] = True  # two neighbours, so that no frequency is known mod π only
    kept[:10, 8:] = False
    owner, step = np.nonzero(kept)
    order = rng.permutation(len(owner))
    fit = SequenceModes(**QUICK).fit(z[kept][order], sequence=owner[order], step=step[order] + 100)
    assert worst(fit.modes_.frequencies, omega) < 1e-8
    assert fit.modes_.errors.model < 1e-12


def test_frames_at_every_second_step_tell_frequencies_modulo_half_a_turn():
    z, omega = planted()
    modes = SequenceModes(**QUICK).fit(z, step=np.tile(2 * np.arange(z.shape[1]), len(z))).modes_
    assert modes.gap == 2
    assert np.abs(modes.frequencies).max() <= np.pi / 2
    assert worst(2 * modes.frequencies, omega) < 1e-8


def test_an_isometric_frame_is_orthonormal_and_finds_orthogonal_planes():
    rng = np.random.default_rng(0)
    z, omega = planted(dim=6, content=0)
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0][:4]
    phase = np.cumsum(
        np.concatenate([rng.uniform(0, 6, (40, 1, 2)), np.repeat(omega[:, None], 7, axis=1)], axis=1), axis=1
    )
    z = np.concatenate([np.cos(phase), 0.5 * np.sin(phase) + 0.5 * np.sin(phase)], axis=2) @ turn
    modes = SequenceModes(isometric=True, **QUICK).fit(z).modes_
    assert np.abs(modes.frame @ modes.frame.T - np.eye(4)).max() < 1e-9
    assert worst(modes.frequencies, omega) < 1e-6
    operator = modes.operator(modes.lattice.speeds[0])
    assert np.abs(operator @ operator.T - np.eye(8)).max() < 1e-9


def test_other_sequences_get_speeds_from_all_planes():
    modes, _, _ = fitted("harmonics")
    z, _ = planted(**CASES["harmonics"])
    rng = np.random.default_rng(9)
    noisy = z + 0.03 * rng.normal(size=z.shape)
    together = wrapped(modes.speeds_of(noisy)[:, 0] - modes.lattice.speeds[:, 0])
    first = int(np.flatnonzero(np.abs(modes.weights[:, 0]) == 1)[0])
    alone = wrapped(modes.frequencies_of(noisy)[0][:, first] - modes.frequencies[:, first])
    assert np.median(np.abs(together)) < np.median(np.abs(alone))


# --- nothing to find --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_planes(seed):
    z = np.random.default_rng(seed).normal(size=(40, 6, 5))
    modes = SequenceModes(**QUICK).fit(z).modes_
    assert modes.n_planes == 0
    assert modes.status == "degenerate"


def test_shuffled_frames_have_no_planes():
    z, _ = planted()
    rng = np.random.default_rng(0)
    modes = SequenceModes(**QUICK).fit(np.stack([rng.permutation(x) for x in z])).modes_
    assert modes.n_planes == 0


def test_a_plane_that_was_asked_for_and_has_no_skill_is_told():
    z = np.random.default_rng(0).normal(size=(40, 6, 5))
    modes = SequenceModes(n_planes=1, **QUICK).fit(z).modes_
    assert modes.status == "partial"
    assert any("without skill" in note for note in modes.notes)


CIRCLE = planted(weights=((1,),), content=0, dim=2, n=12, T=6)[0]
SINGULAR = {
    "all zero": (np.zeros((12, 6, 4)), "degenerate"),
    "still sequences": (np.repeat(np.random.default_rng(0).normal(size=(12, 1, 5)), 6, axis=1), "degenerate"),
    "one column": (np.cumsum(np.ones((12, 6, 1)), axis=1), "degenerate"),
    "every frame twice": (np.repeat(CIRCLE, 2, axis=1), None),
    "repeated features": (np.concatenate([CIRCLE, CIRCLE], axis=2), "ok"),
    "dead features": (np.concatenate([CIRCLE, np.zeros((12, 6, 3))], axis=2), "ok"),
    "forty dimensions of rank two": (CIRCLE @ np.random.default_rng(1).normal(size=(2, 40)), "ok"),
    "one sequence twelve times": (np.tile(CIRCLE[:1], (12, 1, 1)), None),
    "half of them still": (np.concatenate([CIRCLE[:6], np.repeat(CIRCLE[6:, :1], 6, axis=1)]), "ok"),
    "one sequence": (CIRCLE[:1], "insufficient"),
    "two frames": (CIRCLE[:, :2], "insufficient"),
    "one frame": (CIRCLE[:, :1], "insufficient"),
    "noise in many dimensions": (np.random.default_rng(2).normal(size=(12, 3, 50)), "degenerate"),
}


@pytest.mark.parametrize("case", SINGULAR)
def test_singular_batches_are_a_status(case):
    z, status = SINGULAR[case]
    modes = SequenceModes(**QUICK).fit(z).modes_
    assert status is None or modes.status == status
    for numbers in (modes.frame, modes.synthesis, modes.centre, modes.frequencies, modes.frequency_errors):
        assert np.isfinite(numbers).all()
    assert modes.transform(z).shape == (*z.shape[:2], 2 * modes.n_planes)
    assert str(modes)


# --- parts ------------------------------------------------------------------------------------------------------------
def test_a_peak_is_the_best_frequency_and_its_standard_error_the_bound():
    rng = np.random.default_rng(0)
    frames = read_frames(np.zeros((500, 9, 1)))
    true = rng.uniform(-3, 3, 500)
    noise = 0.1 * (rng.normal(size=4500) + 1j * rng.normal(size=4500)) / np.sqrt(2)
    codes = (np.exp(1j * true[frames.owner] * frames.steps) + noise)[:, None]
    found = peak_frequencies(codes, frames)
    sigma = standard_errors(found, codes, frames, np.array([0.01]))
    assert np.sqrt((wrapped(found[:, 0] - true) ** 2).mean()) == pytest.approx(sigma.mean(), rel=0.1)
    grid = np.linspace(-np.pi, np.pi, 4001)
    power = [abs(np.sum(np.exp(-1j * w * frames.steps[:9]) * codes[:9, 0])) for w in grid]
    assert abs(wrapped(grid[np.argmax(power)] - found[0, 0])) < 2e-3


def test_the_gradient_on_frames_and_frequencies_is_right():
    rng = np.random.default_rng(0)
    z, omega = planted(noise=0.1, n=10)
    frames = read_frames(z)
    white = whitening(frames, 64)
    problem = white.problem(frames, 0.1)
    loss = RotationLoss(problem.frames, problem.n_moving, problem.penalty)
    rows = rng.normal(size=(problem.n_moving, 2)) + 1j * rng.normal(size=(problem.n_moving, 2))
    _, in_rows, in_frequencies = loss.terms(rows, omega)
    for _ in range(5):
        d, e = rng.normal(size=rows.shape) + 1j * rng.normal(size=rows.shape), rng.normal(size=omega.shape)
        numeric = (
            loss.terms(rows + 1e-6 * d, omega + 1e-6 * e)[0] - loss.terms(rows - 1e-6 * d, omega - 1e-6 * e)[0]
        ) / 2e-6
        exact = (in_rows.conj() * d).real.sum(axis=0) + (in_frequencies * e).sum(axis=0)
        assert np.allclose(numeric, exact, rtol=1e-5)


def test_joint_speeds_beat_the_best_single_plane():
    rng = np.random.default_rng(0)
    frames = read_frames(np.zeros((300, 6, 1)))
    v = rng.uniform(-3, 3, (300, 1))
    codes = np.exp(1j * (v @ [[1, 3]])[frames.owner] * frames.steps[:, None])
    codes = codes + 0.2 * (rng.normal(size=codes.shape) + 1j * rng.normal(size=codes.shape))
    both = wrapped(joint_speeds(codes, frames, np.array([[1], [3]]), np.full(2, 0.08)) - v)
    alone = wrapped(joint_speeds(codes[:, :1], frames, np.array([[1]]), np.full(1, 0.08)) - v)
    assert np.median(np.abs(both)) < 0.5 * np.median(np.abs(alone))


def test_a_still_part_that_leaks_into_a_plane_does_not_stop_it():
    rng = np.random.default_rng(0)
    frames, leak = read_frames(np.zeros((200, 12, 1))), np.array([50.0])
    true = rng.uniform(0.4, 3.0, 200)
    still = 2.0 * (rng.normal(size=200) + 1j * rng.normal(size=200))
    codes = np.exp(1j * true[frames.owner] * frames.steps) + still[frames.owner]
    codes = (codes + 0.1 * (rng.normal(size=2400) + 1j * rng.normal(size=2400)))[:, None]
    plain, careful = (np.abs(peak_frequencies(codes, frames, x)[:, 0] - true) for x in (None, leak))
    assert np.median(plain) > 0.3
    assert np.quantile(careful, 0.95) < 0.1
    noise, found = noise_and_leak(codes, frames)
    assert noise[0] == pytest.approx(0.02, rel=0.15)
    assert found[0] * noise[0] == pytest.approx(8.0, rel=0.3)
    assert noise_and_leak(codes - still[frames.owner][:, None], frames)[1][0] < 0.1


def turning(weights, noise, n=120, T=10, seed=0):
    """Noisy codes of planes with these weights on a circle, and their frames."""
    rng = np.random.default_rng(seed)
    frames = read_frames(np.zeros((n, T, 1)))
    v = rng.uniform(-np.pi, np.pi, (n, len(weights[0])))
    a = rng.normal(size=(n, len(weights))) + 1j * rng.normal(size=(n, len(weights)))
    codes = a[frames.owner] * np.exp(1j * (v @ np.array(weights).T)[frames.owner] * frames.steps[:, None])
    return codes + noise * (rng.normal(size=codes.shape) + 1j * rng.normal(size=codes.shape)), frames


@pytest.mark.parametrize("weights", [[[2], [1]], [[1], [-3]], [[1, 0], [0, 1]]], ids=str)
def test_relations_that_frequencies_leave_open_are_decided_by_codes(weights):
    codes, frames = turning(weights, 0.5)
    noise, leak = np.full(2, 0.5), np.zeros(2)
    unknown = replace(frequency_lattice(np.zeros((0, 2))), rank=2, status="undecided", open_planes=(0, 1))
    found = merged_lattice(unknown, codes, frames, noise, leak, max_weight=4, level=0.95, seed=0)
    rank = len(weights[0])
    assert found.rank == rank
    assert found.status == ("ok" if rank == 1 else "undecided")
    if rank == 1:
        assert np.array_equal(found.weights, np.array(weights))
        assert not (found.relations @ found.weights).any()


def test_one_velocity_for_all_decides_nothing():
    codes, frames = turning([[2], [1]], 0.1, n=1)
    codes = np.tile(codes, (40, 1))
    frames = read_frames(np.zeros((40, 10, 1)))
    unknown = replace(frequency_lattice(np.zeros((0, 2))), rank=2, status="undecided", open_planes=(0, 1))
    found = merged_lattice(unknown, codes, frames, np.full(2, 0.02), np.zeros(2), max_weight=4, level=0.95, seed=0)
    assert found.status == "undecided"


def test_an_item_with_a_symmetry_does_not_tell_its_speed():
    rng = np.random.default_rng(0)
    frames = read_frames(np.zeros((60, 9, 1)))
    v = rng.uniform(-3, 3, (60, 1))
    codes = np.exp(1j * (v @ [[1, 2]])[frames.owner] * frames.steps[:, None])
    codes[frames.owner < 30, 0] = 0.0  # the second harmonic alone: v or v + π
    codes = codes + 0.1 * (rng.normal(size=codes.shape) + 1j * rng.normal(size=codes.shape))
    weights, noise = np.array([[1], [2]]), np.full(2, 0.02)
    margins = speed_margins(codes, frames, weights, noise, np.zeros(2))
    assert (margins[30:] > 9).all()
    assert np.median(margins[:30]) < 20 < 0.1 * np.median(margins[30:])
    wrong = np.abs(wrapped(joint_speeds(codes, frames, weights, noise) - v))[:, 0] > 0.3
    assert wrong[:30].mean() > 0.2
    assert not wrong[30:].any()


def test_the_same_seed_gives_the_same_result_and_tensors_are_taken():
    z, _ = planted(n=16, T=5)
    one = SequenceModes(**QUICK).fit(z).modes_
    two = SequenceModes(**QUICK).fit(torch.from_numpy(z)).modes_
    assert np.array_equal(one.frequencies, two.frequencies)
    assert one.errors == two.errors


def test_the_plot_shows_every_plane():
    modes, _, _ = fitted("harmonics")
    assert len(modes.plot().get_legend().get_texts()) == modes.n_planes


# --- malformed input --------------------------------------------------------------------------------------------------
Z = np.zeros((12, 3))
BAD = {
    "one axis": (Z[:, 0], {}, {}, ShapeError),
    "no rows": (Z[:0], {}, {}, ShapeError),
    "labels beside three axes": (np.zeros((4, 3, 2)), {"sequence": np.zeros(12)}, {}, ParameterError),
    "labels of another length": (Z, {"sequence": np.zeros(11)}, {}, LengthError),
    "labels of two axes": (Z, {"sequence": np.zeros((12, 1))}, {}, ShapeError),
    "NaN labels": (Z, {"sequence": np.full(12, np.nan)}, {}, FiniteError),
    "half steps": (Z, {"step": np.arange(12) / 2}, {}, ParameterError),
    "steps of another length": (Z, {"step": np.arange(11)}, {}, LengthError),
    "NaN": (np.full((12, 3), np.nan), {}, {}, FiniteError),
    "words": (np.full((12, 3), "a"), {}, {}, ParameterError),
    "no plane": (Z, {}, {"n_planes": 0}, ParameterError),
    "one fold": (Z, {}, {"n_folds": 1}, ParameterError),
    "skill": (Z, {}, {"min_skill": 1.0}, ParameterError),
    "ridge": (Z, {}, {"ridge": -1.0}, ParameterError),
    "level": (Z, {}, {"level": 2.0}, ParameterError),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_malformed_input_is_a_named_error(case):
    z, given, options, error = BAD[case]
    with pytest.raises(error) as caught:
        SequenceModes(**options).fit(z, **given)
    assert isinstance(caught.value, GeodisError)


def test_malformed_questions_to_the_result_are_named_errors():
    modes, z, _ = fitted("torus")
    with pytest.raises(ShapeError, match="10"):
        modes.transform(z[..., :3])
    with pytest.raises(ShapeError, match="2"):
        modes.operator(np.zeros(3))
    with pytest.raises(FiniteError):
        modes.operator(np.full(2, np.nan))
    with pytest.raises(ShapeError):
        modes.speeds_of(z[..., :3])
    with pytest.raises(ShapeError):
        modes.inverse_transform(np.zeros(3))
