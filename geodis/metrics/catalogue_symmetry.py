"""Entries of the metrics of equivariance, group laws, Lie derivatives, factors of a group, and tests."""

from __future__ import annotations

from geodis.metrics.algebra import (
    closure_residual,
    factor_span_angle,
    generator_span_angle,
    structure_constant_error,
)
from geodis.metrics.best_linear import best_linear_error
from geodis.metrics.by_size import error_by_size
from geodis.metrics.catalogue_entry import MetricEntry
from geodis.metrics.compare import compare
from geodis.metrics.content import content_retention
from geodis.metrics.cross_effects import cross_effects
from geodis.metrics.discoveries import discoveries
from geodis.metrics.equivariance import (
    energy,
    equivariance_error,
    invariance_error,
    orbit_signal,
    relative_equivariance,
)
from geodis.metrics.extrapolation import extrapolation_curve, extrapolation_error
from geodis.metrics.group_law import (
    commutator_defect,
    faithfulness,
    homomorphism_error,
    identity_error,
    inverse_error,
    orthogonality_defect,
)
from geodis.metrics.interchange import interchange_accuracy
from geodis.metrics.invariance_test import distributional_invariance_test
from geodis.metrics.irrep_energy import irrep_energy
from geodis.metrics.irrep_measures import subspace_overlap
from geodis.metrics.lie_derivative import lie_derivative_error, local_equivariance_error
from geodis.metrics.lsbd import d_lsbd, d_lsbd_paper
from geodis.metrics.map_equivariance import map_equivariance_error
from geodis.metrics.particle_symmetries import particle_symmetries
from geodis.metrics.relabelling import relabelling_test
from geodis.metrics.rollout import rollout_error

_LSBD = "Tonnaer et al., ICML 2022, arXiv:2011.06070"
_LEE = "Gruver et al., ICLR 2023, arXiv:2210.02984"
_GEOMANCER = "Pfau et al., NeurIPS 2020, arXiv:2006.12982"

SYMMETRY = (
    # --- equivariance of codes ----------------------------------------------------------------------------------------
    MetricEntry(
        equivariance_error, "equivariance",
        "L / D_item: mean |c(g'x) − ρ(g'g⁻¹)c(gx)|² over that between different items",
        "[0, ∞), 0 is exact", "1",
        "An invariant code is exact for ρ = 1: read it beside orbit_signal. Published uncentred errors are near 0 for "
        "random codes with an offset, and 0 for constants.",
        "geodis; relative forms: Finzi et al., ICML 2021 (EMLP)",
    ),
    MetricEntry(
        relative_equivariance, "equivariance", "L / I: the error of ρ over that of claiming that nothing moves",
        "[0, ∞), 0 is exact", "1 for ρ no better than the identity",
        "0/0 for an invariant code (degenerate); unstable where the code hardly moves.",
        "Bhardwaj et al., 2023, arXiv:2302.11349",
    ),
    MetricEntry(
        energy, "equivariance", "1 − L / 2T: share of the codes' variance that follows ρ", "(−∞, 1], 1 is exact", "0",
        "Where elements lie in a limited range an invariant code fakes energy (.91 within ±30°).",
        "geodis",
    ),
    MetricEntry(
        orbit_signal, "equivariance", "I / D_item for ρ = 1: how far the group moves a code, in distances of items",
        "[0, ∞), 0 is invariant", "1",
        "No score: large is neither good nor bad. It says whether an equivariance error is about anything.",
        "geodis",
    ),
    MetricEntry(
        invariance_error, "equivariance", "I / 2T: share of the codes' variance that the group makes",
        "[0, m/(m − 1)], 0 is invariant", "1",
        "A constant is invariant to everything: published variances and differences call it perfect, here it is "
        "degenerate.",
        "variance form: tmeasures (transformational measures)",
    ),
    MetricEntry(
        best_linear_error, "equivariance", "mean |c_k − A(h)[c_j, 1]|² on items that A was not fitted on",
        "[0, ∞), 0 is linear; in units of the code", "the codes' variance",
        "On the rows it was fitted on, any code has R² = d/n: independent codes look linear for d near n.",
        "per-element maps: Lenc and Vedaldi, CVPR 2015",
    ),
    MetricEntry(
        error_by_size, "equivariance", "mean |c_k − ρ(h)c_j|² over 2T, for steps h in bins of their size",
        "[0, ∞) a bin, 0 is exact", "beside it: not acting, and other items",
        "Small steps move a code little, so that not acting is good there too: compare with the column identity.",
        "geodis",
    ),
    MetricEntry(
        compare, "equivariance", "error of encoder A less that of B, paired on items and elements",
        "(−∞, ∞), negative: A is better", "0",
        "Two separate intervals that overlap do not say that there is no difference.",
        "geodis",
    ),
    MetricEntry(
        content_retention, "equivariance", "share of rows whose nearest other row shows the same item",
        "[0, 1], 1 is good", "(m − 1)/(nm − 1)",
        "Ties count as their expected share; counted for the target they make a constant perfect.",
        "geodis",
    ),
    MetricEntry(
        map_equivariance_error, "equivariance", "RMS |f(gx) − g f(x)| over RMS |f(gx) − mean|",
        "[0, ∞), 0 is exact", "√2, measured",
        "Absolute checks and those normalized by the output's size pass for zero, constant or tiny outputs, and a PSNR "
        "is ∞ for one image whatever the input.",
        "checks of EMLP, e3nn, escnn; EQ-T and EQ-R: Karras et al., NeurIPS 2021",
    ),
    MetricEntry(
        particle_symmetries, "equivariance", "map_equivariance_error of a simulator, for each symmetry of mechanics",
        "[0, ∞) a symmetry, 0 is exact", "√2, measured",
        "Roll-outs of chaotic systems grow with rounding: compare with the floor.",
        "geodis",
    ),
    # --- tests --------------------------------------------------------------------------------------------------------
    MetricEntry(
        relabelling_test, "tests", "is L / 2T smaller than under other labels of the elements? exact p",
        "p in [1/(B + 1), 1]", "p is uniform",
        "An invariant code has no small p: labels tell nothing of it. A small p does not say that the error is small.",
        "geodis",
    ),
    MetricEntry(
        distributional_invariance_test, "tests", "MMD² of rows z and moved rows g·z, exact p", "p in [1/(B + 1), 1]",
        "p is uniform", "About a distribution, not an encoder: an exactly equivariant code may fail it.",
        "Chiu and Bloem-Reddy, 2023, arXiv:2307.15834",
    ),
    MetricEntry(
        discoveries, "tests", "which of many p-values stand at a false discovery rate q", "q-values in [0, 1]",
        "a share q of the discoveries", "Tests that were tried and left out of the table count too.",
        "Benjamini and Hochberg, 1995",
    ),
    # --- group laws and algebras --------------------------------------------------------------------------------------
    MetricEntry(
        homomorphism_error, "group laws", "RMS ‖ρ(g)ρ(h) − ρ(gh)‖_F / ‖ρ(gh)‖_F", "[0, ∞), 0 is a representation",
        "√2 (independent Haar matrices)", "0 for ρ = 1 as well (said in the notes); give z to weigh what occurs.",
        "geodis",
    ),
    MetricEntry(
        inverse_error, "group laws", "RMS ‖ρ(g⁻¹)ρ(g) − 1‖_F / √d", "[0, ∞), 0 is good", "√2",
        "0 for ρ = 1 as well (said in the notes).", "geodis",
    ),
    MetricEntry(
        identity_error, "group laws", "‖ρ(e) − 1‖_F / √d", "[0, ∞), 0 is good", "√2",
        "One element says little of the others.", "geodis",
    ),
    MetricEntry(
        orthogonality_defect, "group laws", "RMS ‖ρ(g)ᵀρ(g) − 1‖_F / √d", "[0, ∞), 0 keeps lengths",
        "none: every orthogonal matrix has 0", "Boosts and other non-compact elements are not orthogonal, and right.",
        "geodis",
    ),
    MetricEntry(
        commutator_defect, "group laws", "RMS ‖ρ(g)ρ(h) − ρ(h)ρ(g)‖_F over their size, g and h of different factors",
        "[0, 2], 0 commutes", "√(2 − 2/d²)", "Multiples of 1 commute with anything: left out, or degenerate.",
        "geodis",
    ),
    MetricEntry(
        faithfulness, "group laws", "least ‖ρ(g) − 1‖_F / √d over g away from e", "[0, 2], large is faithful",
        "beside it: the group's own matrices", "For continuous groups an upper bound by search, not a proof.",
        "geodis",
    ),
    MetricEntry(
        closure_residual, "group laws", "√(Σ‖[A_i, A_j] − P[A_i, A_j]‖² / Σ‖[A_i, A_j]‖²), P onto the span",
        "[0, 1], 0 closes", "measured on random spans",
        "0 as well for generators that all commute (said). A constant network has every generator: LieGG's variance "
        "is 0 for all.",
        "geodis; generators of networks: Moskalev et al., NeurIPS 2022 (LieGG)",
    ),
    MetricEntry(
        structure_constant_error, "group laws", "how far two algebras are from isomorphic, over changes of basis",
        "[0, 1], 0 is isomorphic", "1 against an abelian algebra", "Found by local search: an upper bound.", "geodis",
    ),
    MetricEntry(
        generator_span_angle, "group laws", "largest principal angle of two spans of matrices",
        "[0, π/2] rad, 0 is the same", "measured on random spans",
        "Arccosines of rounded cosines are NaN for a fifth of identical spans. Not comparable after a change of basis.",
        _GEOMANCER,
    ),
    MetricEntry(
        factor_span_angle, "group laws", "mean over matched factors of the largest principal angle",
        "[0, π/2] rad, 0 is the same", "measured on random spans",
        "The best match of few points makes chance less than π/2: see the baseline.", _GEOMANCER,
    ),
    # --- Lie derivatives ----------------------------------------------------------------------------------------------
    MetricEntry(
        lie_derivative_error, "Lie derivatives", "E|m − Yf|² / E(|m|² + |Yf|²), m how the code starts to move",
        "[0, 2], 0 follows the flow", "1",
        "Interpolation has a floor that is not the encoder's; the published stretch is not the identity at 0, where "
        "the image is one row.",
        _LEE,
    ),
    MetricEntry(
        local_equivariance_error, "Lie derivatives", "E|m − Yf|²", "[0, ∞), 0 is good; units of code² per time²",
        "measured against other items' Yf",
        "Values of encoders of other scale or size do not compare; a shrunken encoder is better.", _LEE,
    ),
    # --- factors of a group -------------------------------------------------------------------------------------------
    MetricEntry(
        irrep_energy, "factors of a group", "share of the orbit's variance in one irrep a factor, and what is missing",
        "[0, 1], 1 is linear and disentangled", "measured, elements permuted",
        "lsbd_energy alone does not see factors that share directions: read score, overlap and isotropy.",
        f"geodis; takes D_LSBD apart ({_LSBD})",
    ),
    MetricEntry(
        subspace_overlap, "factors of a group", "max ‖B_iᵀB_j‖²_F / least dimension", "[0, 1], 0 is apart",
        "k/D for random k-planes in R^D", "In few dimensions chance is large.", "geodis",
    ),
    MetricEntry(
        d_lsbd, "factors of a group", "1 − the variance that rotations of orthogonal planes explain, on a full grid",
        "[0, 1], 0 is exact", "1", "Full grids of angles only; irrep_energy takes other designs.", _LSBD,
    ),
    MetricEntry(
        d_lsbd_paper, "factors of a group", "mean over factors of min_k (N − 1)/N − |mean c e^{−ikθ}|², c whitened",
        "[0, 1), 0 is good", "(N − 1)/N",
        "0 as well for superposed factors, a factor of radius 1e-6, ellipses, planes that are not orthogonal, and "
        "energy outside the leading planes.",
        _LSBD,
    ),
    MetricEntry(
        cross_effects, "factors of a group", "how far all other coordinates move when one factor is edited",
        "[0, ∞) an entry, 0 is untouched", "beside it: the source's own motion",
        "Without re-embedding an edit leaves everything else alone by construction.", "geodis",
    ),
    MetricEntry(
        interchange_accuracy, "factors of a group", "share of pairs where swapping a block makes the network answer so",
        "[0, 1], 1 is good", "random blocks, and no swap",
        "Pairs whose answer is the same with and without the swap inflate it.",
        "Geiger et al., NeurIPS 2021, arXiv:2106.02997",
    ),
    # --- steps and roll-outs ------------------------------------------------------------------------------------------
    MetricEntry(
        extrapolation_error, "steps", "√(E|c_k − ρ(h)c_j|² / T), fitted on some steps, on unseen steps of unseen items",
        "[0, ∞), 0 is exact", "about √2, measured on other items",
        "A frequency off by δ shows 2|sin(θδ/2)|: nothing near 0, all far away.", "geodis",
    ),
    MetricEntry(
        extrapolation_curve, "steps", "the same against the step", "[0, ∞) a bin, 0 is exact",
        "about √2, measured on other items", "As extrapolation_error.", "geodis",
    ),
    MetricEntry(
        rollout_error, "steps", "error of one step taken k times, against the truth and a direct k-step operator",
        "[0, ∞) a step, 0 is exact", "about √2, measured on other items",
        "Errors of k steps add up: one step says little.",
        "roll-outs: Miyato et al., NeurIPS 2022 (MSP)",
    ),
)  # fmt: skip
