"""Texts that differ in one respect, side by side in a user's table: a reflection that swaps the two of a pair."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, final

import numpy as np

from geodis.actions.action import AbstractAction
from geodis.errors import ParameterError
from geodis.groups import Cyclic
from geodis.linalg import Array

DELIMITERS = {".tsv": "\t", ".tab": "\t"}  # by the file's ending; a comma for all others


@final
class MinimalPairs(AbstractAction):
    """Z/2 on the texts of a table of pairs: step 1 turns each text into its partner.

    Items are the texts themselves. All pairs should differ in the same respect (tense, negation, gender) and have the
    same side first: `firsts` are then items that look alike.

    Parameters
    ----------
    table : iterable of (str, str)
        The pairs; each text stands once in the whole table.

    Attributes
    ----------
    table : tuple of (str, str)
        The pairs, as given.

    Raises
    ------
    ParameterError
        For an empty table, an entry that is no pair of texts, a pair of equal texts, a text that stands twice, or in
        `act` a text that is not in the table.

    Examples
    --------
    >>> pairs = MinimalPairs([("The film is good.", "The film is bad."), ("It is hot.", "It is cold.")])
    >>> pairs.act([1.0, 0.0], ["It is cold.", "The film is bad."])
    ['It is hot.', 'The film is bad.']
    """

    def __init__(self, table: Iterable[tuple[str, str]]) -> None:
        self.table = _pairs(table)
        self.group = Cyclic(2)
        self._partner = {**dict(self.table), **{second: first for first, second in self.table}}

    @property
    def firsts(self) -> tuple[str, ...]:
        """The first text of every pair: items for `sample_orbits`."""
        return tuple(first for first, _ in self.table)

    @classmethod
    def read_csv(cls, path: str | Path, header: bool = False) -> MinimalPairs:
        """Pairs from a UTF-8 file with two columns, separated by commas, or by tabs if it is called ``*.tsv``.

        Parameters
        ----------
        path : str or Path
            The file; fields with a comma stand in double quotes, empty lines are skipped.
        header : bool
            Whether the first line names the columns.

        Raises
        ------
        FileNotFoundError
            Where there is no such file.
        ParameterError
            For a line without exactly two columns, a file that is no UTF-8 text, and as in `MinimalPairs`.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: expected a file with two columns of texts, found none.")
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(
                    file, delimiter=DELIMITERS.get(Path(path).suffix.lower(), ","), skipinitialspace=True, strict=True
                )
                rows = [(reader.line_num, row) for row in reader if any(field.strip() for field in row)]
        except (UnicodeDecodeError, csv.Error) as error:
            raise ParameterError(str(path), "two columns of texts in UTF-8", error) from error
        body = rows[1:] if header else rows
        for line, row in body:
            if len(row) != 2:
                raise ParameterError(
                    f"{path}, line {line}", "two columns", len(row), "Put texts that hold the separator into quotes."
                )
        return cls((row[0], row[1]) for _, row in body)

    def _act(self, params: Array, items: Any) -> list[str]:
        swaps = np.rint(params[:, 0]).astype(int) % 2 == 1
        known = [self._known(item) for item in items]
        return [self._partner[item] if swap else item for item, swap in zip(known, swaps, strict=True)]

    def _known(self, item: Any) -> str:
        if not isinstance(item, str) or item not in self._partner:
            raise ParameterError(
                "items", f"texts of the table of {len(self.table)} pairs, such as {self.table[0][0]!r}", repr(item)
            )
        return str(item)

    def __repr__(self) -> str:
        return f"MinimalPairs({list(self.table)!r})"


def _pairs(table: Any) -> tuple[tuple[str, str], ...]:
    rows = tuple(table) if isinstance(table, Iterable) and not isinstance(table, str) else ()
    if not rows:
        raise ParameterError("table", "at least one pair of texts", repr(table))
    seen: set[str] = set()
    for i, row in enumerate(rows):
        if not _is_pair(row):
            raise ParameterError(f"table, pair {i}", "two texts that are not empty", repr(row))
        if row[0] == row[1]:
            raise ParameterError(f"table, pair {i}", "two different texts", f"{row[0]!r} twice")
        repeated = seen.intersection(row)
        if repeated:
            raise ParameterError(
                f"table, pair {i}", "texts that stand in no other pair", repr(repeated.pop()), "Its partner is unclear."
            )
        seen.update(row)
    return tuple((str(first), str(second)) for first, second in rows)


def _is_pair(row: Any) -> bool:
    pair = isinstance(row, (tuple, list, np.ndarray)) and len(row) == 2
    return pair and all(isinstance(text, str) and text.strip() for text in row)
