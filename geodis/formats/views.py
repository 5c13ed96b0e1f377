"""Views that were made beforehand, in one file: items × elements of images, fields or rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geodis.errors import ContentError
from geodis.formats.columns import listed
from geodis.formats.readers import existing, member, read_orbits, readable, settled
from geodis.groups import AbstractGroup, parse
from geodis.linalg import Array
from geodis.orbits import Orbits


def read_views(path: str | Path, group: AbstractGroup | str | None = None) -> tuple[Array, Array, AbstractGroup]:
    """`(views (n, m, ...), params (n, m, p), group)` out of an ``.npz`` with these two arrays and maybe ``group``.

    Raises
    ------
    ContentError, FileNotFoundError, UnknownNameError
        For a file that lacks an array or names no group where none is given, that cannot be read, or is not there.

    Examples
    --------
    >>> np.savez("views.npz", views=np.zeros((5, 4, 8, 8)), params=np.zeros((5, 4, 1)))
    >>> views, params, group = read_views("views.npz", "SO2")
    >>> views.shape, group
    ((5, 4, 8, 8), SO2())
    """
    file = existing(path)
    with readable(file, "an archive of arrays (.npz)"), file.open("rb") as stream:
        archive = np.load(stream, allow_pickle=False)
        keys = list(archive.files)
        missing = [name for name in ("views", "params") if name not in keys]
        if missing:
            raise ContentError(file, "arrays views (n, m, ...) and params (n, m, p)", listed(keys))
        views, params = member(archive, "views"), member(archive, "params")
        named = parse(str(member(archive, "group"))) if "group" in keys else None
    return views, params, settled(file, group, named)


def views_or_orbits(
    path: str | Path, group: AbstractGroup | str | None = None
) -> tuple[Array, Array, AbstractGroup] | Orbits:
    """What `read_views` reads where the file has an array of that name, else what `read_orbits` reads."""
    file = existing(path)
    if file.suffix.lower() == ".npz":
        with readable(file, "an archive of arrays (.npz)"), file.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            keys = list(archive.files)
        if "views" in keys:
            return read_views(file, group)
    return read_orbits(file, group)
