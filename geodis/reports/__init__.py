"""Tables, pictures and one HTML page of what was measured."""

from geodis.reports.certificate import Certificate as Certificate
from geodis.reports.certify import certify as certify
from geodis.reports.curve_display import ExtrapolationDisplay as ExtrapolationDisplay
from geodis.reports.curve_display import RolloutDisplay as RolloutDisplay
from geodis.reports.edit_display import EditDisplay as EditDisplay
from geodis.reports.effects_display import EffectsDisplay as EffectsDisplay
from geodis.reports.effects_display import effects_section as effects_section
from geodis.reports.error_display import ErrorDisplay as ErrorDisplay
from geodis.reports.layer_scan import LayerScan as LayerScan
from geodis.reports.orbit_display import OrbitDisplay as OrbitDisplay
from geodis.reports.report import Report as Report
from geodis.reports.scan_display import ScanDisplay as ScanDisplay
from geodis.reports.spectrum_display import SpectrumDisplay as SpectrumDisplay
from geodis.reports.verification import verify as verify
