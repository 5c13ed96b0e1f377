"""geodis: coordinates of any embedding in which a group acts linearly, with the evidence that it does."""

from geodis import metrics as metrics
from geodis.coordinates import Block as Block
from geodis.coordinates import IsotypicSpectrum as IsotypicSpectrum
from geodis.coordinates import LatentCoordinates as LatentCoordinates
from geodis.coordinates import LinearCoordinates as LinearCoordinates
from geodis.coordinates import isotypic_spectrum as isotypic_spectrum
from geodis.encoders import encode as encode
from geodis.orbits import Orbits as Orbits
from geodis.reports import Certificate as Certificate
from geodis.reports import LayerScan as LayerScan
from geodis.reports import Report as Report
from geodis.reports import certify as certify
from geodis.reports import verify as verify
from geodis.sampling import sample_orbits as sample_orbits
from geodis.scanning import scan_layers as scan_layers
from geodis.training import DeepCoordinates as DeepCoordinates

__version__ = "0.1.0"
