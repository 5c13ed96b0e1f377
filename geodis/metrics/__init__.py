"""Metrics: pure functions of orbits that return a `MetricResult`, never a bare number."""

from geodis.metrics.best_linear import best_linear_error as best_linear_error
from geodis.metrics.by_size import error_by_size as error_by_size
from geodis.metrics.compare import compare as compare
from geodis.metrics.content import content_retention as content_retention
from geodis.metrics.discoveries import discoveries as discoveries
from geodis.metrics.equivariance import energy as energy
from geodis.metrics.equivariance import equivariance_error as equivariance_error
from geodis.metrics.equivariance import invariance_error as invariance_error
from geodis.metrics.equivariance import orbit_signal as orbit_signal
from geodis.metrics.equivariance import relative_equivariance as relative_equivariance
from geodis.metrics.group_law import homomorphism_error as homomorphism_error
from geodis.metrics.group_law import identity_error as identity_error
from geodis.metrics.group_law import inverse_error as inverse_error
from geodis.metrics.group_law import orthogonality_defect as orthogonality_defect
from geodis.metrics.invariance_test import distributional_invariance_test as distributional_invariance_test
from geodis.metrics.irrep_energy import irrep_energy as irrep_energy
from geodis.metrics.irrep_measures import subspace_overlap as subspace_overlap
from geodis.metrics.irrep_report import FactorEnergy as FactorEnergy
from geodis.metrics.irrep_report import IrrepEnergy as IrrepEnergy
from geodis.metrics.lsbd import d_lsbd as d_lsbd
from geodis.metrics.lsbd import d_lsbd_paper as d_lsbd_paper
from geodis.metrics.relabelling import relabelling_test as relabelling_test
from geodis.metrics.result import MetricResult as MetricResult
from geodis.metrics.result import Status as Status
