"""Question: would the suite see it if a metric of geodis became one of the published ones.

Each mutation is a small edit of the present code that brings back a mistake that was found in published scores, and
the test that must fail under it. Measured by copying geodis and its tests to a folder, editing there, and running the
one test: before the edit it passes, after it it fails. Used by `catalogue.py`; run with names of
mutations, this file tries those.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from geodis.errors import ContentError

ROOT = Path(__file__).parent.parent
COPIED = ("geodis", "tests", "experiments")
PASSED, FAILED = 0, 1  # exit codes of pytest; any other is a mistake of ours


@dataclass(frozen=True)
class Mutation:
    """An exact edit of one file, and the test that it must not survive.

    Attributes
    ----------
    name : str
        Of the mistake.
    path : str
        The file, below the root of the repository.
    old, new : str
        What stands there, exactly once, and what is put in its place.
    test : str
        The pytest name of a test.
    """

    name: str
    path: str
    old: str
    new: str
    test: str

    def source(self, root: Path = ROOT) -> str:
        """The edited file; ContentError unless `old` occurs exactly once."""
        text = (root / self.path).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ContentError(f"{self.path}: {self.old!r}", "once in the file", f"{text.count(self.old)} times")
        return text.replace(self.old, self.new)


MUTATIONS = (
    Mutation(
        "centring dropped, of codes", "geodis/metrics/cells.py",
        "        if not center:\n            return [canonical(", "        if True:\n            return [canonical(",
        "tests/test_metric_oracles.py::test_independent_codes_score_one_whatever_their_offset",
    ),
    Mutation(
        "centring dropped, of orbits", "geodis/metrics/harmonics.py",
        "centred = z - z.mean(axis=1, keepdims=True)", "centred = z",
        "tests/test_irrep_energy.py::test_units_offsets_frames_and_the_order_of_factors_do_not_matter",
    ),
    Mutation(
        "axis of the FFT swapped, irrep energy", "geodis/metrics/harmonics.py",
        "others = tuple(a for a in axes if a != j + 1)", "others = tuple(a for a in axes if a != len(axes) - j)",
        "tests/test_irrep_energy.py::test_a_warped_circle_has_the_energy_of_bessel_functions",
    ),
    Mutation(
        "axis of the FFT swapped, D_LSBD", "geodis/metrics/lsbd.py",
        "return np.asarray(np.fft.fft(alone, axis=0) / len(alone))",
        "return np.asarray(np.fft.fft(alone, axis=1) / len(alone))",
        "tests/test_lsbd.py::test_the_price_has_a_closed_form",
    ),
    Mutation(
        "factors of the grid swapped, D_LSBD as published", "geodis/metrics/lsbd.py",
        "own = item.spread - item.spread.mean(axis=j, keepdims=True)",
        "own = item.spread - item.spread.mean(axis=item.n_factors - 1 - j, keepdims=True)",
        "tests/test_lsbd.py::test_the_fft_is_the_search_on_twenty_inputs",
    ),
    Mutation(
        "ddof wrong, two-way interval", "geodis/statistics.py",
        "float(rows.var(ddof=1)) / n, float(columns.var(ddof=1)) / m",
        "float(rows.var()) / n, float(columns.var()) / m",
        "tests/test_statistics.py::test_two_way_variance_is_the_sum_of_mean_squares",
    ),
    Mutation(
        "ddof wrong, item-clustered interval", "geodis/statistics.py",
        "variance = float(top.var(ddof=1)) / n if n > 1 else math.nan",
        "variance = float(top.var()) / n if n > 1 else math.nan",
        "tests/test_statistics.py::test_clustered_t_is_scipys",
    ),
    Mutation(
        "ddof wrong, D_LSBD as published", "geodis/metrics/lsbd.py",
        "math.sqrt(2.0 / (n - 1)))", "math.sqrt(2.0 / n))",
        "tests/test_lsbd.py::test_a_warped_circle_has_the_published_digits",
    ),
    Mutation(
        "σ above 1 not clipped, angles of generators", "geodis/metrics/algebra.py",
        "return float(subspace_angles(one.reshape(len(one), -1).T, two.reshape(len(two), -1).T).max())",
        "return float(np.arccos(np.linalg.svd(one.reshape(len(one), -1) @ two.reshape(len(two), -1).T)[1].min()))",
        "tests/test_algebra.py::test_identical_spans_have_angle_zero_and_never_nan",
    ),
    Mutation(
        "σ above 1 not clipped, angles of factors", "geodis/discovery/factor_score.py",
        "return np.asarray(np.arctan2(sines, cosines))", "return np.asarray(np.arccos(cosines))",
        "tests/test_manifold_factors.py::test_the_score_is_zero_on_the_same_subspaces_and_never_nan",
    ),
    Mutation(
        "σ above 1 not clipped, overlap", "geodis/metrics/irrep_measures.py",
        "max((min(1.0, float(((a.T @ b) ** 2).sum()) / min(a.shape[1], b.shape[1])) for a, b in pairs), default=0.0)",
        "max((float(((a.T @ b) ** 2).sum()) / min(a.shape[1], b.shape[1]) for a, b in pairs), default=0.0)",
        "tests/test_catalogue_mutations.py::test_the_overlap_of_a_space_with_itself_is_no_more_than_one",
    ),
    Mutation(
        "cap in sample", "geodis/metrics/best_linear.py",
        "train = [gram for f, gram in enumerate(grams) if f != test]", "train = list(grams)",
        "tests/test_baselines.py::test_best_linear_map_on_independent_codes_is_worse_than_the_mean",
    ),
    Mutation(
        "interval of pairs, crossed", "geodis/metrics/evaluate.py",
        "interval = ratio_two_way_t(numerator[0], denominator[0], level)",
        "interval = ratio_clustered_t(numerator[0].ravel(), denominator[0].ravel(), level=level)",
        "tests/test_metric_intervals.py::test_crossed_intervals_cover_and_element_effects_count_twice",
    ),
    Mutation(
        "interval of pairs, nested", "geodis/metrics/evaluate.py",
        "top = np.concatenate([c.mean(axis=1) for c in numerator])\n"
        "        bottom = np.concatenate([c.mean(axis=1) for c in denominator])",
        "top = np.concatenate([c.ravel() for c in numerator])\n"
        "        bottom = np.concatenate([c.ravel() for c in denominator])",
        "tests/test_metric_intervals.py::test_more_items_narrow_the_interval_but_repeating_rows_does_not",
    ),
    Mutation(
        "centring dropped, of Procrustes maps", "geodis/metrics/procrustes.py",
        "    before, after = source.mean(axis=0), target.mean(axis=0)\n    M = ",
        "    before, after = 0.0 * source.mean(axis=0), 0.0 * target.mean(axis=0)\n    M = ",
        "tests/test_care.py::test_an_offset_of_each_element_counts_for_nothing",
    ),
    Mutation(
        "Procrustes map in sample", "geodis/metrics/procrustes.py",
        "test, train = folds == fold, folds != fold", "test, train = folds == fold, folds >= 0",
        "tests/test_care.py::test_independent_codes_score_as_the_law_of_held_out_maps_says",
    ),
    Mutation(
        "interval of pairs, Procrustes", "geodis/metrics/procrustes.py",
        "two_way_estimate(data.by_cluster(loss), data.by_cluster(scale))", "two_way_estimate(loss, scale)",
        "tests/test_care.py::test_folds_and_intervals_go_by_cluster",
    ),
    Mutation(
        "ties to the target, reciprocal ranks", "geodis/metrics/retrieval.py",
        "return np.where(number == 1.0, 1.0 / (low + 1.0), "
        "(digamma(low + number + 1.0) - digamma(low + 1.0)) / number)",
        "return 1.0 / (low + 1.0)",
        "tests/test_retrieval.py::test_right_predictions_are_found_and_a_constant_is_at_chance",
    ),
    Mutation(
        "ties to the target, hits", "geodis/metrics/retrieval.py",
        "return np.clip(k - low, 0.0, number) / number", "return (low < k).astype(np.float64)",
        "tests/test_retrieval.py::test_right_predictions_are_found_and_a_constant_is_at_chance",
    ),
    Mutation(
        "SO for O", "geodis/metrics/map_families.py",
        "        u, _, vt = np.linalg.svd(target.T @ source)\n        return",
        "        u, _, vt = np.linalg.svd(target.T @ source)\n"
        "        u[:, -1] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))\n        return",
        "tests/test_care.py::test_a_true_reflection_is_charged_over_SO_and_free_over_O",
    ),
    Mutation(
        "O for SO", "geodis/metrics/map_families.py",
        "        u[:, -1] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))\n", "",
        "tests/test_care.py::test_a_true_reflection_is_charged_over_SO_and_free_over_O",
    ),
    Mutation(
        "stretch that is not the identity at 0 accepted", "geodis/metrics/flow_derivatives.py",
        "        self._starts_at_the_items()\n        n = len(self.items)", "        n = len(self.items)",
        "tests/test_lie_derivative.py::test_a_flow_that_does_not_start_at_the_items_is_refused",
    ),
    Mutation(
        "diagonal entry of a stretch zero", "geodis/actions/resample.py",
        "rows, columns = (_scaling_matrices(side, factors)[:, None] for side in images.shape[-2:])",
        "rows, columns = (_scaling_matrices(side, f)[:, None] "
        "for side, f in zip(images.shape[-2:], (1e9 * factors, factors)))",
        "tests/test_image_actions.py::test_a_scaled_image_is_the_scaled_function",
    ),
)  # fmt: skip


def total(seed: int) -> dict[str, float]:
    """Mutations killed, and all."""
    found = outcomes(MUTATIONS)
    return {"mutations.killed": float(sum(found.values())), "mutations.total": float(len(found))}


def outcomes(mutations: Iterable[Mutation], root: Path = ROOT) -> dict[str, bool]:
    """Whether each is killed; ContentError where its test fails without it."""
    chosen = list(mutations)
    with copied(root) as folder:
        unmutated = dict.fromkeys(mutation.test for mutation in chosen)
        if run_tests(folder, *unmutated) != PASSED:
            raise ContentError("tests of the mutations", "passed by the unmutated code", "a failure")
        return {mutation.name: is_killed(mutation, folder) for mutation in chosen}


def is_killed(mutation: Mutation, folder: Path) -> bool:
    """Whether the test fails on the edited copy; the copy is put back."""
    file = folder / mutation.path
    before = file.read_text(encoding="utf-8")
    file.write_text(mutation.source(folder), encoding="utf-8")
    try:
        return run_tests(folder, mutation.test) == FAILED
    finally:
        file.write_text(before, encoding="utf-8")


@contextmanager
def copied(root: Path) -> Iterator[Path]:
    """A folder with the package, its tests and what they read."""
    with TemporaryDirectory() as name:
        for part in COPIED:
            shutil.copytree(root / part, Path(name) / part, ignore=shutil.ignore_patterns("__pycache__", "results"))
        shutil.copy(root / "pyproject.toml", name)
        yield Path(name)


def run_tests(folder: Path, *tests: str) -> int:
    """Exit code of pytest on the tests of a copy, with the copy's geodis: PASSED or FAILED, else ContentError."""
    # No bytecode: an edit of equal length within a second would go unseen.
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", *tests]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode not in (PASSED, FAILED):
        raise ContentError(" ".join(tests), "tests that run", f"exit code {done.returncode}\n{done.stdout[-2000:]}")
    return done.returncode


if __name__ == "__main__":
    asked = sys.argv[1:] or [mutation.name for mutation in MUTATIONS]
    for _name, _killed in outcomes(m for m in MUTATIONS if m.name in asked).items():
        print("killed  " if _killed else "SURVIVES", _name)
