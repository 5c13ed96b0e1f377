"""Files as users have them, and the command in this process."""

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from typer.testing import CliRunner

from geodis.cli import app
from geodis.groups import SO2
from geodis.simulators import planted

QUICK = ("--max-order", "2", "--null", "19")


@cache
def code(n=40, m=8, noise=0.2, d=12):
    """A planted code of SO(2): two planes that turn once, one that turns twice, three invariant directions."""
    group = SO2()
    params = group.orbit(n, m, seed=1)
    parts = [(group.irrep("m=0"), 3), (group.irrep("m=1"), 2), (group.irrep("m=2"), 1)]
    return planted(parts, params, n_features=d, noise=noise, seed=2)


def parts(**changed):
    """The arrays of a file; None leaves one out."""
    made = code()
    arrays = {"z": made.z, "params": made.params, "items": made.items} | changed
    return {name: array for name, array in arrays.items() if array is not None}


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def parquet(path, columns, metadata=None):
    pq.write_table(pa.table(columns, metadata=metadata), path)
    return path


def run(*arguments, columns=120, **options):
    """`geodis arguments`: what the runner of typer returns."""
    env = {"COLUMNS": str(columns), "NO_COLOR": "1", "TERM": "dumb"}
    return CliRunner().invoke(app, [str(a) for a in arguments], env=env, **options)


def fitted_file(folder):
    """`(folder, what fit printed)`, with mine.npz and the coordinates fitted on it in the folder."""
    npz(folder / "mine.npz", **parts())
    done = run("fit", folder / "mine.npz", "--group", "SO2", "--out", folder / "mine.safetensors", *QUICK)
    assert done.exit_code == 0, done.output
    return folder, done


def refused(done, *words, code=2):
    """Whether the command ended with this code and one sentence on stderr that has all these words."""
    text = " ".join(done.stderr.split())
    return done.exit_code == code and "Traceback" not in done.output and all(word in text for word in words)
