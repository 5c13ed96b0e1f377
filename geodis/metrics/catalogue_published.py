"""Entries of the metrics that others published: retrieval, CARE, factor scores, editing, geometry."""

from __future__ import annotations

from geodis.metrics.care_gamma import care_gamma
from geodis.metrics.catalogue_entry import MetricEntry
from geodis.metrics.causal_inner_product import causal_cosine, causal_inner_product, concept_direction
from geodis.metrics.cause_isolate import cause_isolate
from geodis.metrics.cka import debiased_cka
from geodis.metrics.dci import dci
from geodis.metrics.effective_rank import effective_rank
from geodis.metrics.erasure import concept_erasure_residual
from geodis.metrics.explicitness import explicitness
from geodis.metrics.factor_scores import (
    mean_correlation_coefficient,
    modularity,
    mutual_information_gap,
    separated_attribute_predictability,
)
from geodis.metrics.gram_error import gram_error
from geodis.metrics.independence import independence_score
from geodis.metrics.intrinsic_dimension import intrinsic_dimension
from geodis.metrics.mixture_index import mixture_index
from geodis.metrics.parameter_probe import parameter_probe
from geodis.metrics.prediction_retrieval import prediction_retrieval_error, quaternion_error
from geodis.metrics.procrustes import procrustes_error
from geodis.metrics.retrieval import hits_at_k, mean_reciprocal_rank
from geodis.metrics.separability import separability
from geodis.metrics.shape_distance import procrustes_shape_distance
from geodis.metrics.steerability import steerability_slope
from geodis.metrics.symplecticity import symplecticity_error

_CSWM = "Kipf et al., ICLR 2020, arXiv:1911.12247 (C-SWM)"
_SIE = "Garrido et al., ICML 2023, arXiv:2302.10283 (SIE)"
_CARE = "Gupta et al., ICLR 2024, arXiv:2306.13924 (CARE)"
_PARK = "Park et al., ICML 2024, arXiv:2311.03658"
_RIDGEWAY = "Ridgeway and Mozer, NeurIPS 2018, arXiv:1802.05312"
_ENGELS = "Engels et al., ICLR 2025, arXiv:2405.14860"
_AXES = "Read axis by axis it rejects a perfect linear code (each circle needs two axes): align, then score blocks."

PUBLISHED = (
    # --- retrieval and parameters -------------------------------------------------------------------------------------
    MetricEntry(
        mean_reciprocal_rank, "retrieval and parameters",
        "E[1/rank] of the true code among n candidates, ties averaged",
        "[1/n, 1], 1 is good", "H_n/n",
        "As published ties go to the target: a constant predictor and a collapsed encoder score 1. The two directions "
        "of asking give different numbers.",
        _CSWM,
    ),
    MetricEntry(
        hits_at_k, "retrieval and parameters", "P[rank ≤ k] of the true code among n candidates, ties averaged",
        "[0, 1], 1 is good", "k/n", "As mean_reciprocal_rank; with few candidates chance is large.", _CSWM,
    ),
    MetricEntry(
        prediction_retrieval_error, "retrieval and parameters",
        "1 − ⟨q_found, q_true⟩² of the target nearest a prediction",
        "[0, 1], 0 is good", "measured on the galleries",
        "No constant is the chance: .75 for uniform poses, .626 for Euler angles within ±90°.", _SIE,
    ),
    MetricEntry(
        quaternion_error, "retrieval and parameters",
        "1 − ⟨q, p⟩² = sin²(θ/2) of unit quaternions", "[0, 1], 0 is equal",
        "3/4 for uniform poses", "Not a distance: its square root is.", _SIE,
    ),
    MetricEntry(
        parameter_probe, "retrieval and parameters",
        "geodesic error and R² of a ridge regression from (z0, z) to the element",
        "error [0, ∞), 0 is good; R² (−∞, 1]", "measured, elements dealt to other pairs",
        "An R² with one mean for all columns is .96 for a constant; angles are no targets, as they jump. Split by item "
        "and by element.",
        _SIE,
    ),
    # --- CARE ---------------------------------------------------------------------------------------------------------
    MetricEntry(
        gram_error, "CARE",
        "E(⟨c_ik, c_i'k⟩ − ⟨c_ij, c_i'j⟩)² over that of shuffled items", "[0, ∞), 0 is one rotation",
        "1", "0 for invariant and constant codes as published: here degenerate, with the orbit signal.", _CARE,
    ),
    MetricEntry(
        procrustes_error, "CARE", "E|c_k − M c_j|² / E|c_k|² on unseen items, M over O(d), SO(d) or GL(d)",
        "[0, ∞), 0 is exact", "measured: 2 for orthogonal maps, 1 + d/(n − d − 1) for any matrix",
        "On the items it was fitted on, independent codes look explained; over SO(d) a true reflection is charged.",
        f"{_CARE}; Wahba, 1965",
    ),
    MetricEntry(
        care_gamma, "CARE", "E (Δ|c_i − c_i'|²)² / (|Δc_i|² + |Δc_i'|²)²", "[0, ∞), 0 is rigid",
        "about 1/(2d), measured",
        "Not lower is better: independent codes are near 0 in many dimensions, nearly invariant ones score thousands.",
        _CARE,
    ),
    # --- scores of factors --------------------------------------------------------------------------------------------
    MetricEntry(
        mutual_information_gap, "scores of factors", "MIG: mean over factors of (I_1 − I_2)/H", "[0, 1], 1 is good",
        "measured, factors shuffled",
        f"{_AXES} Biased by bins over rows.", "Chen et al., NeurIPS 2018, arXiv:1802.04942",
    ),
    MetricEntry(
        separated_attribute_predictability, "scores of factors", "SAP: mean over factors of R²_1 − R²_2",
        "[0, 1], 1 is good", "measured, factors shuffled", f"{_AXES} A circle has 6/π², and 0 when turned by 45°.",
        "Kumar et al., ICLR 2018, arXiv:1711.00848",
    ),
    MetricEntry(
        dci, "scores of factors",
        "D and C: 1 − entropy of importances by part and by factor; I: what the code predicts",
        "[0, 1] each, 1 is good", "measured, factors shuffled",
        f"{_AXES} Completeness of a circle is at most 1 − log 2/log d.",
        "Eastwood and Williams, ICLR 2018",
    ),
    MetricEntry(
        modularity, "scores of factors", "mean over parts of 1 − Σ_{k≠k*} I_k²/(I_k*²(K − 1))", "[0, 1], 1 is good",
        "measured, well above 0", f"{_AXES} Of two noises one is the larger, so that noise scores well.", _RIDGEWAY,
    ),
    MetricEntry(
        explicitness, "scores of factors", "mean ROC-AUC of a logistic regression for each level, on unseen items",
        "[0, 1], 1 is good", "1/2", "Of all coordinates together: it says nothing of disentanglement.", _RIDGEWAY,
    ),
    MetricEntry(
        mean_correlation_coefficient, "scores of factors", "MCC: mean |correlation| of factors and parts, best matched",
        "[0, 1], 1 is good", "measured, far above 0 for few rows", _AXES,
        "Hyvärinen and Morioka, NeurIPS 2016, arXiv:1605.06336",
    ),
    MetricEntry(
        independence_score, "scores of factors", "1 − mean over pairs of subgroups of max |cos| of their displacements",
        "[0, 1], 1 is independent", "1 − Γ(d/2)/(√π Γ((d + 1)/2)) for one action each, measured",
        "As published without a check of equivariance: random displacements in orthogonal planes score 1.",
        "Painter et al., NeurIPS 2020, arXiv:2008.07922",
    ),
    # --- editing ------------------------------------------------------------------------------------------------------
    MetricEntry(
        cause_isolate, "editing", "½(cause + isolate): wanted answers given, and others kept", "[0, 1], 1 is good",
        "no edit, which isolates perfectly: at least ½", "½ is what doing nothing scores; skill is 0 there.",
        "Huang et al., ACL 2024, arXiv:2402.17700 (RAVEL)",
    ),
    MetricEntry(
        steerability_slope, "editing", "mean slope of a propensity against the multiplier, and the share that falls",
        "slope (−∞, ∞), share [0, 1]", "slope 0, share ½",
        "A good mean slope may hide many items that go the other way.",
        "Tan et al., NeurIPS 2024, arXiv:2407.12404",
    ),
    MetricEntry(
        concept_erasure_residual, "editing", "what a probe finds of a concept after LEACE, on unseen items",
        "balanced accuracy [0, 1], chance is erased", "measured, concept dealt to other rows",
        "Erased for linear predictors alone, and on the fitted items alone: another probe may find it.",
        "Belrose et al., NeurIPS 2023, arXiv:2306.03819 (LEACE)",
    ),
    MetricEntry(
        causal_inner_product, "editing", "uᵀ Cov(γ)⁻¹ v", "(−∞, ∞)", "none: read causal_cosine",
        "Cov(γ) of few rows is no inverse to trust; it does not change with γ → Aγ + t.", _PARK,
    ),
    MetricEntry(
        causal_cosine, "editing", "cosine in the causal inner product", "[−1, 1]", "0 ± 1/√d",
        "Differences of words share directions: compare with random pairs (concept_direction).", _PARK,
    ),
    MetricEntry(
        concept_direction, "editing", "mean causal cosine of a counterfactual difference with the mean of the others",
        "[−1, 1], 1 is one direction", "measured: signs dealt, and random pairs",
        "With the own difference in the mean, chance is 1/√n instead of 0.", _PARK,
    ),
    MetricEntry(
        separability, "editing",
        "min over rotations of the mutual information of two coordinates", "[0, ∞) bits, 0 splits",
        "0 for a Gaussian, measured", "Bins are biased, and as published the scale of the feature matters.", _ENGELS,
    ),
    MetricEntry(
        mixture_index, "editing", "max over lines of P(|v·f + c| < ε RMS)", "[0, 1], small is irreducible",
        "2Φ(ε) − 1, measured on a Gaussian",
        "Gradient ascent from c = 0 stays there: .045 on a circle whose maximum is .219.", _ENGELS,
    ),
    # --- geometry -----------------------------------------------------------------------------------------------------
    MetricEntry(
        debiased_cka, "geometry", "HSIC₁(X, Y)/√(HSIC₁(X, X) HSIC₁(Y, Y))", "(−1, 1], 1 is the same", "0",
        "As published biased: .906 for independent codes of 1000 features on 100 rows.",
        "Kornblith et al., ICML 2019, arXiv:1905.00414; debiased: Song et al., JMLR 2012",
    ),
    MetricEntry(
        procrustes_shape_distance, "geometry", "arccos(‖XᵀY‖_* / ‖X‖‖Y‖)", "[0, π/2] rad, 0 is the same",
        "measured, rows shuffled", "Fitted where it is measured: with as many features as rows all codes are near.",
        "Williams et al., NeurIPS 2021, arXiv:2110.14739",
    ),
    MetricEntry(
        effective_rank, "geometry",
        "exp(entropy of the covariance's eigenvalues)", "[1, d]", "beside it: Gaussian rows",
        "Of a constant it is that of rounding; large is not good, only not collapsed.",
        "Roy and Vetterli, EUSIPCO 2007",
    ),
    MetricEntry(
        intrinsic_dimension, "geometry", "TwoNN: from the ratio of the two nearest distances", "[0, ∞)",
        "beside it: Gaussian rows of the same covariance",
        "Noise inflates it: a torus with 1 % in R¹⁶ reads 3.07, not 2.",
        "Facco et al., Scientific Reports 2017, arXiv:1803.06992",
    ),
    MetricEntry(
        symplecticity_error, "geometry", "RMS ‖JΩJᵀ − Ω‖_F / ‖Ω‖_F", "[0, ∞), 0 is symplectic",
        "√2 for Haar matrices, measured",
        "Other units are symplectic up to a factor (in the notes). As published, a yes or no.",
        "Botev et al., NeurIPS 2021, arXiv:2111.05458 (SyMetric)",
    ),
)  # fmt: skip
