"""Question: which transformations of a sentence are linear in MiniLM, which need a lift, which are not there.

    python experiments/text_transformations.py              writes results/text_transformations.json and the picture
    python experiments/text_transformations.py --only tense  one of them; --quick: one seed, writes nothing

Subjects *and* templates are held out: a seed is a split of the subjects, two thirds fitted; templates take turns in
folds, so that each is judged by a fit that has not seen it. For every transformation T the rows are

T.energy, .low, .high     energy of its irrep (skill, for numbers) with the 95 % interval over templates × subjects
T.known_templates         the same on unseen subjects in templates that were fitted
T.item_error, .p          item-specific error; the largest p of the folds against labels permuted within items (N1)
T.structure_p, .null_energy, .null_mean, .null_high   against one relabelling common to all items (N2), where it can be
                          tested: energies on the fitted subjects, cross-fitted over templates, with the true labels and
                          with others
T.quadratic.*, .fourier.* the same after two lifts, which are those of all transformations
T.edit_top1               is the edited sentence nearest to the right one among all on unseen subjects; the same for
    _difference, _ridge   a vector of mean differences and a ridge map for each step; T.chance: a guess
T.linear_splits           in which share of the splits it is linear: low > .5, p ≤ .05, structure_p ≤ .05 where testable
T.verdict                 2 linear: so for the means over the splits; 1 needs a lift: the same for a lift, with each
                          p ≤ .025; 0 not there

A-B.* composes two: fitted one by one on sentences that only one moves, then applied one after the other.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import sys  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from functools import cache, partial  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from harness import run  # noqa: E402
from sentence_edits import (  # noqa: E402
    Array,
    Corpus,
    Fit,
    corpus,
    difference_edit,
    operator_edit,
    pooled,
    retrieved,
    ridge_edit,
    template_folds,
    unseen_subjects,
)
from text_transformations_chart import draw  # noqa: E402

from geodis import Orbits, encode, isotypic_spectrum  # noqa: E402
from geodis.coordinates import Polynomial, RandomFourier  # noqa: E402
from geodis.coordinates.relabelled import testable  # noqa: E402
from geodis.encoders import load_minilm  # noqa: E402
from geodis.groups import Cyclic  # noqa: E402
from geodis.simulators import (  # noqa: E402
    Sentences,
    hour_sentences,
    month_negation_sentences,
    month_sentences,
    month_tense_sentences,
    negation_sentences,
    number_sentences,
    plural_sentences,
    politeness_sentences,
    tense_sentences,
    weekday_sentences,
)

HERE = Path(__file__).parent
RESULTS, PICTURE = HERE / "results" / "text_transformations.json", HERE.parent / "docs" / "text_transformations.png"
SEEDS = range(3)
LEVEL, HALF, N_NULL = 0.95, 0.5, 99
MOVING = 16  # directions along which items move most, whose squares and products are taken
STEPS = ((1,), (3,), (5,))
Lift = Callable[[Array], Array]
Folds = Sequence[tuple[Corpus, Corpus]]
SOURCES: dict[str, Callable[[], Sentences]] = {
    "months": month_sentences, "weekdays": weekday_sentences, "hours": hour_sentences, "numbers": number_sentences,
    "negation": negation_sentences, "tense": tense_sentences, "politeness": politeness_sentences,
    "plural": plural_sentences, "months-tense": month_tense_sentences, "months-negation": month_negation_sentences,
}  # fmt: skip


@dataclass(frozen=True)
class Transformation:
    """What is sought: an irrep in a source of sentences, and the steps by which to edit."""

    source: str
    irrep: str = "k=1"
    order: int = 1  # of the irrep
    max_order: int = 1  # sought for edits
    steps: tuple[tuple[int, ...], ...] = ((1,),)
    max_components: int = 128
    lifts: bool = True


TRANSFORMATIONS = {
    "months": Transformation("months", max_order=6, steps=STEPS),
    "weekdays": Transformation("weekdays", max_order=3, steps=STEPS),
    "hours": Transformation("hours", max_order=6, steps=STEPS),
    # The hour on a clock's face: 3 a.m. and 3 p.m. are one place. The edits are those of the hours.
    "clock": Transformation("hours", "k=2", 2, 6, ()),
    # A line's frequencies are sought by a scan: few directions and no lifts keep it short.
    "numbers": Transformation("numbers", "position", steps=STEPS, max_components=24, lifts=False),
    "negation": Transformation("negation"),
    "tense": Transformation("tense"),
    "politeness": Transformation("politeness"),
    "plural": Transformation("plural"),
    "another subject": Transformation("another subject"),
}


# --- sentences, embedded once a run -----------------------------------------------------------------------------------
@cache
def _encoder():
    torch.set_num_threads(1)
    return encode(load_minilm())


@cache
def embedded(name: str) -> Corpus:
    return another_subject(embedded("tense")) if name == "another subject" else corpus(_encoder(), SOURCES[name](), 24)


def another_subject(whole: Corpus) -> Corpus:
    """The negative control: pairs of sentences on two subjects, which nothing but chance joined."""
    plain = whole.orbits.params[:, 0] == 0
    z, items = whole.orbits.z[plain], whole.orbits.items[plain]
    names = np.unique(whole.subjects)
    place = {name: i for i, name in enumerate(names[np.random.default_rng(0).permutation(len(names))].tolist())}
    owner, side = np.divmod([place[name] for name in whole.subjects[items].tolist()], 2)
    templates, template = np.unique(whole.templates[items], return_inverse=True)
    pairs = Orbits.from_arrays(z, side[:, None].astype(float), owner * len(templates) + template, Cyclic(2))
    subjects = np.repeat([f"pair {i}" for i in range(len(names) // 2)], len(templates))
    return Corpus(pairs, subjects, np.tile(templates, len(names) // 2))


# --- one transformation -----------------------------------------------------------------------------------------------
def transformation(name: str, seed: int) -> dict[str, float]:
    return {f"{key_of(name)}.{key}": value for key, value in results(name, seed).items()}


def key_of(name: str) -> str:
    return name.replace(" ", "_")


@cache
def results(name: str, seed: int) -> dict[str, float]:
    spec = TRANSFORMATIONS[name]
    return measured(embedded(spec.source), spec, seed)


def verdicts(_: int) -> dict[str, float]:
    """One code a transformation from the means over all splits, which share their sentences."""
    splits = {name: [results(name, seed) for seed in SEEDS] for name in TRANSFORMATIONS}
    means = {
        name: {key: float(np.mean([row[key] for row in rows])) for key in rows[0]} for name, rows in splits.items()
    }
    return {f"{key_of(name)}.verdict": verdict(row) for name, row in means.items()}


def verdict(row: dict[str, float]) -> float:
    """2 linear, 1 needs a lift, 0 not there."""
    if there(row):
        return 2.0
    return float(any(there(row, f"{lift}.", len(LIFTS)) for lift in LIFTS if f"{lift}.energy" in row))


def measured(whole: Corpus, spec: Transformation, seed: int) -> dict[str, float]:
    """All rows of one transformation at one split of the subjects."""
    folds = list(template_folds(whole, seed))
    options = {"max_order": spec.max_order, "max_components": spec.max_components}
    fits = [Fit.of(fitted.orbits, [spec.irrep], **options) for fitted, _ in folds]
    out = energies(fits, folds, whole, spec.irrep, LEVEL)
    out |= {"known_templates": known_templates(fits, folds, whole, spec.irrep, seed)}
    out |= structure(whole.only(~unseen_subjects(whole, seed)).orbits, spec, seed)
    for lift in LIFTS if spec.lifts else ():
        tried = lifted_energies(folds, whole, spec, lift, seed)
        out |= {f"{lift}.{key}": value for key, value in tried.items()}
    return out | edits(fits, folds, whole, spec, seed) | {"linear_splits": float(there(out))}


def energies(fits: Sequence[Fit], folds: Folds, whole: Corpus, irrep: str, level: float) -> dict[str, float]:
    judged = [fit.judge(irrep, unseen.orbits) for fit, (_, unseen) in zip(fits, folds, strict=True)]
    return pooled(judged, whole, level) | {"p": max(fit.p(irrep) for fit in fits)}


def known_templates(fits: Sequence[Fit], folds: Folds, whole: Corpus, irrep: str, seed: int) -> float:
    """The energy on unseen subjects in the templates that were fitted: what holding out subjects alone would say."""
    aside, judged = unseen_subjects(whole, seed), []
    for fit, (fitted, _) in zip(fits, folds, strict=True):
        mine = np.isin(whole.templates, whole.templates[fitted.orbits.items])
        judged.append(fit.judge(irrep, whole.only(aside & mine).orbits))
    return pooled(judged, whole, LEVEL)["energy"]


def structure(orbits: Orbits, spec: Transformation, seed: int) -> dict[str, float]:
    """N2 on the fitted subjects, cross-fitted over templates; nothing for a group too small to be tested."""
    if not testable(orbits.group, orbits.group.irrep(spec.irrep)):
        return {}
    found = isotypic_spectrum(
        orbits, spec.order, min_energy=0.0, max_components=spec.max_components, n_null=N_NULL, seed=seed
    )
    p, mean = found.structure_p.get(spec.irrep, np.nan), found.structure_mean.get(spec.irrep, np.nan)
    if not np.isfinite(p):
        return {"structure_p": 1.0, "null_energy": 0.0, "null_mean": 0.0, "null_high": 0.0}  # no block to be tested
    energy, high = float(found.energies[spec.irrep][0]), found.structure_band[spec.irrep][1]
    return {"structure_p": p, "null_energy": energy, "null_mean": mean, "null_high": high}


def quadratic(fitted: Orbits, seed: int) -> Lift:
    """Squares and products of the leading directions along which items move: principal ones would hold their topics."""
    z = fitted.z.astype(np.float64)
    _, item = np.unique(fitted.items, return_inverse=True)
    means = np.zeros((fitted.n_items, z.shape[1]))
    np.add.at(means, item, z)
    moved = z - (means / np.bincount(item)[:, None])[item]
    moving = np.linalg.eigh(moved.T @ moved)[1][:, -MOVING:]
    lift = Polynomial(2).fit(z @ moving, seed=seed)
    return lambda rows: lift(rows.astype(np.float64) @ moving)


def fourier(fitted: Orbits, seed: int) -> Lift:
    """Random Fourier features of the whole embedding, beside it."""
    lift = RandomFourier(256).fit(fitted.z.astype(np.float64), seed=seed)
    return lambda rows: lift(rows.astype(np.float64))


LIFTS: dict[str, Callable[[Orbits, int], Lift]] = {"quadratic": quadratic, "fourier": fourier}


def lifted_energies(folds: Folds, whole: Corpus, spec: Transformation, lift: str, seed: int) -> dict[str, float]:
    """Energy and p of the irrep in the lifted embedding; intervals and tests share the level between the lifts."""
    options = {"max_order": spec.order, "max_components": spec.max_components}
    fits, lifted = [], []
    for fitted, unseen in folds:
        raised = LIFTS[lift](fitted.orbits, seed)
        fits.append(Fit.of(fitted.orbits.map(raised), [spec.irrep], **options))
        lifted.append((fitted, replace(unseen, orbits=unseen.orbits.map(raised))))
    orbits = whole.only(~unseen_subjects(whole, seed)).orbits
    out = energies(fits, lifted, whole, spec.irrep, 1 - (1 - LEVEL) / len(LIFTS))
    return out | structure(orbits.map(LIFTS[lift](orbits, seed)), spec, seed)


def there(row: dict[str, float], prefix: str = "", n_tests: int = 1) -> bool:
    """Whether the irrep is there: its lower bound above one half, and both nulls beaten."""
    alpha = (1 - LEVEL) / n_tests + 1e-12
    above = row[f"{prefix}low"] > HALF
    return above and row[f"{prefix}p"] <= alpha and row.get(f"{prefix}structure_p", 0.0) <= alpha


def edits(fits: Sequence[Fit], folds: Folds, whole: Corpus, spec: Transformation, seed: int) -> dict[str, float]:
    """Top-1 of the three edits among all sentences on unseen subjects, mean over steps and folds."""
    if not spec.steps:
        return {}
    candidates = whole.only(unseen_subjects(whole, seed)).orbits
    hits: dict[str, list[float]] = {"edit_top1": [], "edit_top1_difference": [], "edit_top1_ridge": []}
    for fit, (fitted, unseen) in zip(fits, folds, strict=True):
        for step in spec.steps:
            moved = (
                operator_edit(fit.editing, unseen.orbits, step),
                difference_edit(fitted.orbits, unseen.orbits, step),
                ridge_edit(fitted.orbits, unseen.orbits, step),
            )
            for key, z in zip(hits, moved, strict=True):
                hits[key].append(retrieved(z, unseen.orbits, step, candidates))
    return {key: float(np.mean(values)) for key, values in hits.items()} | {"chance": 1 / len(candidates)}


# --- two at once ------------------------------------------------------------------------------------------------------
def composition(slot: str, pair: str, seed: int) -> dict[str, float]:
    name = f"{slot}-{pair}"
    whole, slots, pairs = embedded(name), embedded(slot), embedded(pair)
    fitted = slots.only(~unseen_subjects(slots, seed)).orbits, pairs.only(np.ones(len(pairs.templates), bool)).orbits
    unseen = whole.only(unseen_subjects(whole, seed)).orbits
    found = in_sequence(fitted, unseen) | shares(unseen) | product_fit(whole, seed) | {"chance": 1 / len(unseen)}
    return {f"{name}.{key}": value for key, value in found.items()}


def in_sequence(fitted: tuple[Orbits, Orbits], unseen: Orbits) -> dict[str, float]:
    """Both edits one after the other, each fitted where only it acts, in new templates on unseen subjects."""
    turn, swap = (
        Fit.of(orbits, ["k=1"], max_order=order).editing for orbits, order in zip(fitted, (6, 1), strict=True)
    )
    other = ridge_edit(fitted[1], unseen, (1,))
    z = unseen.z.astype(np.float64)
    hits: dict[str, list[float]] = {}
    defects = []
    for (step,) in STEPS:
        first, second = np.full((len(z), 1), float(step)), np.ones((len(z), 1))
        turned, swapped = turn.edit(z, first), swap.edit(z, second)
        both, reversed_ = swap.edit(turned, second), turn.edit(swapped, first)
        defects.append(((both - reversed_) ** 2).sum() / ((both - z) ** 2).sum())
        one_by_one = difference_edit(fitted[0], _factor(unseen, 0), (step,)) - z
        differences = z + one_by_one + difference_edit(fitted[1], _factor(unseen, 1), (1,)) - z
        ridge = ridge_edit(fitted[0], replace(unseen, z=other), (step,))
        for key, edited, target in (
            ("edit_top1", both, (step, 1)), ("edit_top1_reversed", reversed_, (step, 1)),
            ("edit_top1_slot", turned, (step, 0)), ("edit_top1_pair", swapped, (0, 1)),
            ("edit_top1_difference", differences, (step, 1)), ("edit_top1_ridge", ridge, (step, 1)),
        ):  # fmt: skip
            hits.setdefault(key, []).append(retrieved(edited, unseen, target, unseen))
    return {key: float(np.mean(values)) for key, values in hits.items()} | {"commutator": float(np.mean(defects))}


def _factor(orbits: Orbits, factor: int) -> Orbits:
    """The same rows, as one factor of the product sees them."""
    return replace(orbits, params=orbits.params[:, factor : factor + 1], group=orbits.group.groups[factor])


def shares(orbits: Orbits) -> dict[str, float]:
    """How the variance within items divides into slot, pair and what is neither: additive codes have no interaction."""
    order = np.lexsort((orbits.params[:, 1], orbits.params[:, 0], orbits.items))
    m, k = (group.order for group in orbits.group.groups)
    z = orbits.z[order].astype(np.float64).reshape(orbits.n_items, m, k, -1)
    z = z - z.mean((1, 2), keepdims=True)
    slot, pair = z.mean(2, keepdims=True), z.mean(1, keepdims=True)
    parts = {
        "slot": (slot**2).mean((1, 2)),
        "pair": (pair**2).mean((1, 2)),
        "both": ((z - slot - pair) ** 2).mean((1, 2)),
    }
    total = (z**2).mean((1, 2)).sum()
    return {f"share_{key}": float(part.sum() / total) for key, part in parts.items()}


def product_fit(whole: Corpus, seed: int) -> dict[str, float]:
    """Energies of the product's irreps, disentangled and entangled, and the edit by the product's own operator."""
    irreps = {"slot": "k=1⊗k=0", "pair": "k=0⊗k=1", "both": "k=1⊗k=1"}
    folds = list(template_folds(whole, seed))
    fits = [Fit.of(fitted.orbits, list(irreps.values()), max_order=6) for fitted, _ in folds]
    out = {}
    for key, irrep in irreps.items():
        found = energies(fits, folds, whole, irrep, LEVEL)
        out |= {f"{key}.{what}": found[what] for what in ("energy", "low", "high", "p")}
    candidates = whole.only(unseen_subjects(whole, seed)).orbits
    hits = [
        retrieved(operator_edit(fit.editing, unseen.orbits, (*step, 1)), unseen.orbits, (*step, 1), candidates)
        for fit, (_, unseen) in zip(fits, folds, strict=True)
        for step in STEPS
    ]
    return out | {"edit_top1_product": float(np.mean(hits))}


ROWS = {name: partial(transformation, name) for name in TRANSFORMATIONS}
ROWS |= {f"months-{pair}": partial(composition, "months", pair) for pair in ("tense", "negation")}
ROWS |= {"verdicts": verdicts}


def main(argv: list[str] | None = None) -> None:
    record = run(ROWS, results=RESULTS, seeds=SEEDS, argv=argv)
    if "--quick" not in (sys.argv[1:] if argv is None else argv):
        draw(
            {row["key"]: row["value"] for row in record["rows"]},
            [key_of(name) for name in TRANSFORMATIONS],
            PICTURE,
        )


if __name__ == "__main__":
    main()
