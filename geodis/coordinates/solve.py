"""Which search a design needs: the spectral one for Haar-like designs, the greedy one on pairs for all others."""

from __future__ import annotations

from geodis.coordinates.evidence import Evidence, Settings
from geodis.coordinates.greedy import greedy_search
from geodis.coordinates.search import Found, search
from geodis.threads import one_blas_thread


@one_blas_thread
def find(evidence: Evidence, settings: Settings) -> tuple[list[Found], float]:
    """`(what was found of every irrep, the ridge)`; nothing for a constant embedding or a single item or element."""
    if evidence.degenerate or not evidence.design.sufficient:
        return [], 0.0
    if evidence.design.limited:
        return greedy_search(evidence, settings)
    return search(evidence, settings)
