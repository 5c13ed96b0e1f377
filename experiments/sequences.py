"""Question: are planes and speeds found from sequences whose velocities nobody tells, and do speeds transfer.

Miyato et al. (MSP) estimate an operator from two frames of a sequence and apply it to others; their swap test, an
operator of one sequence on another of the same velocity, costs a factor 1.04 (3DShapes) to 2.5 (MNIST), and their solve
fails on singular batches. Three measures:

planted     two planes of a torus with unequal speeds, ragged, frames missing, a still part, mixed into R^16: largest
            error of the frequencies without noise; with 5 % noise the root mean square against its Cramér–Rao bound
singular    still, short, repeated, dependent sequences: how many of them are fitted without an exception, with finite
            numbers and with no plane claimed where nothing turns
solids      rendered solids turning out of plane at constant unknown speeds. The encoder is the one of `out_of_plane.py`
            with half its time, `SequenceModes` see codes of objects that it was not trained on and no angle. Speeds are
            read from the first half of the sequences of further unseen objects; errors are of single steps within the
            second half, with the speed of the own sequence and with that of another object's of the same velocity.
            A solid that looks the same after half a turn does not tell v from v + π, and its speed moves no other;
            `swap_inflation_told` is over partners that say of themselves that they tell their speed (`told_share`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from out_of_plane import flat, trained
from solid_data import SolidData, Views, out_of_plane

from geodis.discovery.frequency_peaks import wrapped
from geodis.discovery.rotating_planes import RotatingPlanes
from geodis.discovery.sequence_modes import SequenceModes
from geodis.linalg import Array

SECONDS = 80.0  # CPU seconds of the encoder's training
FRAMES, VELOCITIES = 12, (-11, -10, -7, -5, -2, -1, 1, 2, 5, 7, 10, 11)  # grid steps of 15°: no image comes twice
TEST_FRAMES, KNOWN, TEST_VELOCITIES = 24, 12, (-11, -7, -5, -1, 1, 5, 7, 11)
HARMONICS = 6  # of the angle, that a code of a solid may follow
SURE = 9.0  # lead in log-likelihood, twice, from which a sequence tells its speed
N_SEQUENCES = 60
NOISE = 0.05


# --- planted ----------------------------------------------------------------------------------------------------------
def planted(seed: int) -> dict[str, float]:
    """Errors of the frequencies on a planted torus."""
    exact, _ = frequency_misses(seed, 0.0)
    noisy, bound = frequency_misses(seed, NOISE)
    return {
        "sequences.frequency_error": float(np.abs(exact).max()),
        "sequences.frequency_error_noisy": float(np.sqrt((noisy**2).mean())),
        "sequences.frequency_over_bound": float(np.sqrt((noisy**2).mean() / (bound**2).mean())),
    }


def frequency_misses(seed: int, noise: float) -> tuple[Array, Array]:
    """Found minus planted frequencies (n, 2) up to a sign of each plane, and the Cramér–Rao standard errors."""
    z, sequence, step, omega, amplitude = torus(seed, noise)
    modes = SequenceModes(n_planes=2, random_state=seed).fit(z, sequence=sequence, step=step).modes_
    times = [step[sequence == s] for s in range(N_SEQUENCES)]
    spread = np.array([((t - t.mean()) ** 2).sum() for t in times])
    options = [
        np.stack([wrapped(sign * modes.frequencies[:, i] - omega[:, r]) for r, i in enumerate(order)], axis=1)
        for order in ((0, 1), (1, 0))
        for sign in (np.ones(1), -np.ones(1))
    ]
    # Signs of the planes are independent: the best of each.
    best = [min((o[:, r] for o in options), key=lambda x: float((x**2).mean())) for r in range(2)]
    variance = np.array([noise_share(seed, r) for r in range(2)]) * noise**2
    return np.stack(best, axis=1), np.sqrt(variance / (2.0 * amplitude**2 * spread[:, None]))


def torus(seed: int, noise: float) -> tuple[Array, Array, Array, Array, Array]:
    """Rows, sequence, step, frequencies (n, 2) and amplitudes (n, 2) of ragged sequences with missing frames."""
    rng = np.random.default_rng([seed, 61])
    mixing = mixing_of(seed)
    omega = rng.uniform(-np.pi, np.pi, (N_SEQUENCES, 2)) * [1.0, 0.3]
    amplitude = rng.uniform(0.5, 1.5, (N_SEQUENCES, 2))
    phase = rng.uniform(0, 2 * np.pi, (N_SEQUENCES, 2))
    content = rng.normal(size=(N_SEQUENCES, 3))
    rows, owners, steps = [], [], []
    for s in range(N_SEQUENCES):
        t = np.sort(rng.choice(14, size=rng.integers(4, 11), replace=False))
        t[0] = 0 if t[1] > 1 else t[0]
        t[1] = t[0] + 1  # two neighbours at least: nothing is known mod π only
        t = np.unique(t)
        angle = phase[s] + omega[s] * t[:, None]
        latent = [amplitude[s] * np.cos(angle), amplitude[s] * np.sin(angle), np.tile(content[s], (len(t), 1))]
        rows.append(np.concatenate(latent, axis=1) @ mixing)
        owners.append(np.full(len(t), s))
        steps.append(t)
    z = np.concatenate(rows)
    return z + noise * rng.normal(size=z.shape), np.concatenate(owners), np.concatenate(steps), omega, amplitude


def mixing_of(seed: int) -> Array:
    """Two planes and three still numbers, orthonormal rows times (1, 1, .7, .7, …) so that no plane is privileged."""
    rng = np.random.default_rng([seed, 67])
    return np.linalg.qr(rng.normal(size=(16, 7)))[0].T


def noise_share(seed: int, plane: int) -> float:
    """E|w·e|² of the true plane for noise of unit variance: the rows of the mixing are orthonormal."""
    rows = mixing_of(seed)[[plane, plane + 2]]
    return float((rows**2).sum())


# --- singular ---------------------------------------------------------------------------------------------------------
def singular(seed: int) -> dict[str, float]:
    """Batches on which a least-squares operator between frames has no unique solution."""
    batches = singular_batches(np.random.default_rng([seed, 71]))
    fine = [survived(z, sequence, turns, seed) for z, sequence, turns in batches]
    return {"sequences.singular_ok": float(sum(fine)), "sequences.singular_of": float(len(fine))}


def singular_batches(rng: np.random.Generator) -> list[tuple[Array, Array, bool]]:
    """(rows, sequence, whether anything turns)."""
    n, T = 12, 6
    who = np.repeat(np.arange(n), T)
    angle = np.repeat(rng.uniform(0, 6, n), T) + np.repeat(rng.uniform(-3, 3, n), T) * np.tile(np.arange(T), n)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    wide = circle @ rng.normal(size=(2, 40))
    still = np.repeat(rng.normal(size=(n, 5)), T, axis=0)
    some = np.where((who < n // 2)[:, None], still[:, :2], circle)
    return [
        (np.zeros((n * T, 4)), who, False),
        (np.ones((n * T, 1)), who, False),
        (still, who, False),
        (wide, who, True),  # six frames, forty dimensions, rank two
        (np.concatenate([circle, circle], axis=1), who, True),  # repeated features
        (np.repeat(circle, 2, axis=0), np.repeat(who, 2), True),  # every frame twice
        (some @ rng.normal(size=(2, 8)), who, True),  # half of the sequences do not move
        (np.tile(circle[:T], (n, 1)), who, True),  # one sequence, twelve times
        (np.column_stack([angle, 0 * angle]), who, False),  # a line: nothing comes back
        (circle[:T], np.zeros(T, int), False),  # one sequence: nothing to hold out
        (circle[:2], np.arange(2), False),  # one frame each
        (np.column_stack([circle, np.zeros((n * T, 3))]), who, True),  # dead features
        (rng.normal(size=(n * 3, 50)), np.repeat(np.arange(n), 3), False),  # noise, three frames, fifty dimensions
    ]


def survived(z: Array, sequence: Array, turns: bool, seed: int) -> bool:
    """No exception, finite numbers, and a plane if and only if something turns (a line may pass as a large circle)."""
    modes = SequenceModes(random_state=seed).fit(z, sequence=sequence).modes_
    numbers = (modes.frame, modes.synthesis, modes.centre, modes.frequencies, modes.frequency_errors)
    finite = all(bool(np.isfinite(x).all()) for x in numbers)
    return finite and ((modes.n_planes > 0) == turns or (not turns and modes.status in ("degenerate", "insufficient")))


# --- solids -----------------------------------------------------------------------------------------------------------
def solids(seed: int) -> dict[str, float]:
    """Swap inflation on solids turning out of plane."""
    data = out_of_plane(seed)
    return scored(*embedded(data, seed, SECONDS), seed)


def embedded(data: SolidData, seed: int, seconds: float) -> tuple[Array, Array]:
    """Codes (n, 24, p) on grids of 15° of training objects that the encoder has not seen, and of test objects."""
    coordinates = trained(data, seed, seconds)

    def codes(views: Views) -> Array:
        rows = np.asarray(coordinates.transform(flat(views.images)))
        return rows.reshape(*views.images.shape[:2], -1).astype(np.float64)

    return codes(data.held), codes(data.steps)


def scored(held: Array, test: Array, seed: int) -> dict[str, float]:
    """Modes of `held` sequences, swap test on `test` ones."""
    rng = np.random.default_rng([seed, 73])
    sequences = turning(held, VELOCITIES, FRAMES, rng)[0]
    modes = SequenceModes(max_weight=HARMONICS, random_state=seed).fit(sequences).modes_
    z, speed = turning(test, TEST_VELOCITIES, TEST_FRAMES, rng)
    found = {f"sequences.{name}": value for name, value in swap(modes, z, speed).items()}
    found["sequences.planes"], found["sequences.rank"] = float(modes.n_planes), float(modes.rank)
    found["sequences.forward_error"], found["sequences.forward_identity"] = modes.errors.model, modes.errors.identity
    return found


def turning(codes: Array, velocities: Sequence[int], n_frames: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Sequences (n, n_frames, p) of one object each, and their velocities in grid steps a frame (n,)."""
    n, side = codes.shape[:2]
    speed = rng.choice(velocities, n)
    at = (rng.integers(side, size=(n, 1)) + speed[:, None] * np.arange(n_frames)) % side
    return codes[np.arange(n)[:, None], at], speed


SCORES = (
    "swap_inflation", "swap_inflation_told", "told_share", "own_ratio", "free_ratio", "free_swap_inflation",
    "speed_error",
)  # fmt: skip


def swap(modes: RotatingPlanes, z: Array, speed: Array) -> dict[str, float]:
    """Single-step errors in the second half: own speed, another object's of the same velocity, free maps of both."""
    c = modes.transform(z)
    if not modes.n_planes:
        return dict.fromkeys(SCORES, np.nan)
    c = c / c.reshape(-1, c.shape[-1]).std(axis=0)
    first, before, after = c[:, :KNOWN], c[:, KNOWN - 1 : -1], c[:, KNOWN:]
    other, told = partners(speed), modes.speed_margins(z[:, :KNOWN]) > SURE
    every = np.ones(len(z), dtype=bool)
    sure = told[other] if told.any() else every  # where no sequence tells its speed, all of them count
    rho = modes.rotation(modes.speeds_of(z[:, :KNOWN]))
    free = np.stack([free_map(x) for x in first])

    def error(matrices: Array, kept: Array) -> float:
        return float((((after - np.einsum("nab,ntb->nta", matrices, before)) ** 2).sum(axis=(1, 2)) * kept).sum())

    still = float(((after - before) ** 2).sum())
    own = error(rho, every)
    return {
        "swap_inflation": error(rho[other], every) / own,
        "swap_inflation_told": error(rho[other], sure) / error(rho, sure),
        "told_share": float(told.mean()),
        "own_ratio": own / still,
        "free_ratio": error(free, every) / still,
        "free_swap_inflation": error(free[other], every) / error(free, every),
        "speed_error": float(np.sqrt((speed_misses(modes, z, speed) ** 2).mean())),
    }


def speed_misses(modes: RotatingPlanes, z: Array, speed: Array) -> Array:
    """Speeds against the truth [rad], up to a sign and the harmonic of the first weight; π without a single speed."""
    if modes.weights.shape[1] != 1:
        return np.full(1, np.pi)
    found = modes.speeds_of(z[:, :KNOWN])[:, 0]
    true = 2 * np.pi * speed / 24
    return min(
        (wrapped(found - k * true) for k in (-3, -2, -1, 1, 2, 3)), key=lambda x: float(np.median(np.abs(x)))
    )  # fmt: skip


def partners(speed: Array) -> Array:
    """For each sequence the next one with the same velocity."""
    out = np.arange(len(speed))
    for v in np.unique(speed):
        same = np.flatnonzero(speed == v)
        out[same] = np.roll(same, 1)
    return out


def free_map(x: Array) -> Array:
    """The least-squares map between consecutive frames (T, p) of one sequence, of least norm."""
    return np.linalg.lstsq(x[:-1], x[1:], rcond=1e-6)[0].T


MEASURES: dict[str, Callable[[int], dict[str, float]]] = {
    "sequences.frequency_error": planted,
    "sequences.singular_ok": singular,
    "sequences.swap_inflation": solids,
}


if __name__ == "__main__":
    from pathlib import Path

    from harness import run

    run(MEASURES, results=Path(__file__).parent / "results" / "sequences.json", seeds=range(3))
