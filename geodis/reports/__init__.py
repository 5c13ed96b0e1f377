"""Tables, pictures and one HTML page of what was measured."""

from geodis.reports.certificate import Certificate as Certificate
from geodis.reports.certify import certify as certify
from geodis.reports.edit_display import EditDisplay as EditDisplay
from geodis.reports.error_display import ErrorDisplay as ErrorDisplay
from geodis.reports.orbit_display import OrbitDisplay as OrbitDisplay
from geodis.reports.report import Report as Report
from geodis.reports.spectrum_display import SpectrumDisplay as SpectrumDisplay
from geodis.reports.verification import verify as verify
