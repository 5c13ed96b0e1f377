"""The mode *pairs* of `geodis discover`: batches that share an unknown element, continuous or of a finite group."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from geodis.cli.discovered import Discovery, Options, Row, counted, taken

if TYPE_CHECKING:
    from geodis.discovery import (
        CompositionTable,
        DiscoveredAlgebra,
        FiniteOrder,
        RelationTests,
        TransformationFamily,
    )
    from geodis.formats.unlabelled import Unlabelled

FEW_BATCHES = 24  # up to which batches are looked at one by one, as the ids of actions
FEW_DIMENSIONS = 64  # up to which products of all their operators are cheap
MOST_FOLDS = 20
LISTED = 8  # orders, one by one


def pairs(data: Unlabelled, options: Options) -> Discovery:
    """Generators of the batches' operators; of few batches, which finite group they are."""
    from geodis.discovery import SharedTransformations, UnknownAlgebra

    estimator = UnknownAlgebra(level=options.level, random_state=options.seed, verbose=options.verbose)
    algebra = estimator.fit(data.z, data.gz, batches=data.batches).algebra_
    shared = SharedTransformations(affine=True, level=options.level, random_state=options.seed, verbose=options.verbose)
    family = shared.fit(data.z, data.gz, data.batches).family_
    numbers = {"algebra": _algebra_numbers(algebra), "batches": _family_numbers(family)}
    rows = (*_algebra_rows(algebra), *_family_rows(family))
    sentence, beside = _algebra_sentence(algebra, options), family.plot
    spectrum = (algebra.plot,) if len(algebra.spectrum) else ()
    finite = FiniteActions.of(family, options)
    if finite is None:
        return Discovery(algebra.status, rows, sentence, numbers, (*spectrum, beside))
    numbers["finite"] = finite.numbers
    if finite.telling or algebra.status != "ok":
        rows, beside = (*rows, *finite.rows), finite.table.plot
        sentence = f"{sentence} {finite.sentence}".strip()
    status = "ok" if finite.group and not algebra.n_generators else algebra.status
    return Discovery(status, rows, sentence, numbers, (*spectrum, beside))


def _folds(batches: Any) -> int:
    """As many as batches are large, since they tell the noise of the operators; few where batches are many."""
    sizes = np.unique(batches, return_counts=True)[1]
    return int(np.clip(sizes.min() // 2, 5, MOST_FOLDS)) if len(sizes) <= FEW_BATCHES else 5


def _algebra_rows(found: DiscoveredAlgebra) -> list[Row]:
    low, high = found.angle_interval
    rows = [
        Row("generators", found.n_generators, beside=found.p_moves, meaning="p of noise alone", status=found.status)
    ]
    if found.algebra is not None:
        rows += [
            Row("algebra", found.name, status=found.algebra.status),
            Row("span off by, rad", found.angle, low, high),
            Row("error on unseen pairs", found.held_out.model, beside=1, meaning="doing nothing"),
        ]
    return rows


def _algebra_numbers(found: DiscoveredAlgebra) -> dict[str, Any]:
    names = (
        "name", "status", "n_generators", "generators", "affine", "centre", "translation_p", "elements", "labels",
        "skipped", "spectrum", "edge", "p_moves", "p_more", "replication", "angle", "angle_interval", "closure",
        "held_out", "level", "notes",
    )  # fmt: skip
    return taken(found, *names) | {"algebra": found.algebra}


def _algebra_sentence(found: DiscoveredAlgebra, options: Options) -> str:
    why = f": {'; '.join(found.notes)}" if found.notes else ""
    if not found.n_generators:
        return f"No generator of a continuous group is claimed (status {found.status}{why})."
    claim = f"{counted(found.n_generators, 'generator')}, {found.name}"
    if found.status != "ok":
        return f"{claim}, but this is not sure (status {found.status}{why})."
    return f"{claim}; noise alone would show a generator in at most {options.chance} of all cases."


def _family_rows(family: TransformationFamily) -> list[Row]:
    error = family.relative_error
    low, high, *_ = error.interval(family.level)
    gain = family.gain.interval(family.level)
    word = "differ" if family.differ else "not shown to differ"
    return [
        Row("batches' operators, error", error.value, low, high, 1, "doing nothing", family.status),
        Row("gain over one operator", family.gain.value, gain.low, gain.high, 0, "all batches alike", word),
    ]


def _family_numbers(family: TransformationFamily) -> dict[str, Any]:
    names = (
        "labels", "n", "operators", "offsets", "ranks", "error", "identity_error", "pooled_error", "intervals", "gain",
        "relative_error", "differ", "batch_status", "status", "affine", "map_class",
    )  # fmt: skip
    return taken(family, *names) | {"map_class": repr(family.map_class)}


@final
@dataclass(frozen=True, eq=False)
class FiniteActions:
    """A few operators, one by one: their orders, which are inverse, which commute, which the product of two is."""

    family: TransformationFamily
    orders: tuple[FiniteOrder, ...]
    inverse: RelationTests | None
    commuting: RelationTests | None
    table: CompositionTable

    @classmethod
    def of(cls, family: TransformationFamily, options: Options) -> FiniteActions | None:
        """None for many batches, many dimensions, batches that cannot be scored or are not told apart."""
        from geodis.discovery import commuting_pairs, composition_table, finite_order, inverse_pairs

        n, d = family.n_batches, family.dim
        if n > FEW_BATCHES or d > FEW_DIMENSIONS or family.status != "ok" or not (n == 1 or family.differ):
            return None
        level, mean = options.level, family.second_moment[:d, d]
        moments = family.second_moment[:d, :d] - np.outer(mean, mean)
        each = 1.0 - (1.0 - level) / n  # so that the level holds for all batches together
        orders = tuple(
            finite_order(M, noise=folds, second_moment=moments, level=each)
            for M, folds in zip(family.operators, family.fold_operators.swapaxes(0, 1), strict=True)
        )
        inverse, commuting = (
            (inverse_pairs(family, level=level), commuting_pairs(family, level=level)) if n > 1 else (None, None)
        )
        return cls(family, orders, inverse, commuting, composition_table(family, level=level))

    @property
    def group(self) -> bool:
        """Whether the batches and the identity are a group of two elements or more."""
        return self.table.is_group is True and self.table.n_elements > 1

    @property
    def telling(self) -> bool:
        """Whether there is anything finite about them."""
        return self.group or any(found.order is not None for found in self.orders)

    @property
    def rows(self) -> list[Row]:
        """Orders, relations, the table."""
        sure = sum(found.status == "ok" for found in self.orders)
        rows = [Row("orders of the batches", self._orders, status=f"{sure} of {len(self.orders)} ok")]
        for what, tests in (("pairs of inverses", self.inverse), ("commuting pairs", self.commuting)):
            if tests is not None:
                open_ones = tests.verdicts.count("undecided")
                rows.append(Row(what, f"{len(tests.holding)} of {len(tests)}", status=f"{open_ones} undecided"))
        word = {True: "a group", False: "no group", None: "undecided"}[self.table.is_group]
        closed = Row("products among the elements", self.table.closed, beside=1, meaning="a group", status=word)
        return [*rows, closed]

    @property
    def sentence(self) -> str:
        """Said only of what was found."""
        table = self.table
        if self.group:
            kind = {True: "abelian ", False: "non-abelian ", None: ""}[table.abelian]
            return f"The batches and the identity are the {table.n_elements} elements of one {kind}finite group."
        if any(found.status != "ok" for found in self.orders):
            return ""
        commute = self.commuting is not None and len(self.commuting.holding) == len(self.commuting)
        return f"Every batch is of finite order ({self._orders}){', and all commute' if commute else ''}."

    @property
    def _orders(self) -> str:
        names = ["?" if found.order is None else str(found.order) for found in self.orders]
        if len(names) <= LISTED:
            return ", ".join(names)
        return ", ".join(f"{n} × {name}" for name, n in Counter(names).most_common())

    @property
    def numbers(self) -> dict[str, Any]:
        """For the JSON."""
        labels, tests = self.family.labels.tolist(), {"inverse": self.inverse, "commuting": self.commuting}
        listed = [
            {"batch": label, **taken(found, "order", "status", "candidates", "defect")}
            for label, found in zip(labels, self.orders, strict=True)
        ]
        relations = {
            name: None if t is None else taken(t, "words", "verdicts", "defects", "intervals", "p_values", "tolerance")
            for name, t in tests.items()
        }
        table = taken(self.table, "members", "product", "is_group", "abelian", "closed", "defects", "upper", "level")
        return {"orders": listed, **relations, "table": table}
