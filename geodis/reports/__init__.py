"""Tables, pictures and one HTML page of what was measured."""

from geodis.reports.certificate import Certificate as Certificate
from geodis.reports.report import Report as Report
from geodis.reports.verification import verify as verify
