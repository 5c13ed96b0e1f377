"""One thread for everything, no global state left behind by a test."""

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import logging  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _unchanged_globals():
    """Restore what careless imports change (geomstats sets the root logger; its torch backend the default dtype)."""
    root = logging.getLogger()
    dtype, level, handlers = torch.get_default_dtype(), root.level, list(root.handlers)
    yield
    torch.set_default_dtype(dtype)
    root.setLevel(level)
    root.handlers[:] = handlers
