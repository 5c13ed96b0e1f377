"""Learn and apply coordinates in which a group acts linearly, block by block."""

from geodis.coordinates.latent import Block as Block
from geodis.coordinates.latent import LatentCoordinates as LatentCoordinates
from geodis.coordinates.linear import LinearCoordinates as LinearCoordinates
from geodis.coordinates.moments import Moments as Moments
from geodis.coordinates.spectrum import IsotypicSpectrum as IsotypicSpectrum
from geodis.coordinates.spectrum import isotypic_spectrum as isotypic_spectrum
