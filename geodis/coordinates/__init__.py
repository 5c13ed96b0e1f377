"""Learn and apply coordinates in which a group acts linearly, block by block."""

from geodis.coordinates.latent import Block as Block
from geodis.coordinates.latent import LatentCoordinates as LatentCoordinates
from geodis.coordinates.lift import AbstractInvertibleLift as AbstractInvertibleLift
from geodis.coordinates.lift import AbstractLift as AbstractLift
from geodis.coordinates.lift import AbstractLiftSpec as AbstractLiftSpec
from geodis.coordinates.lift_choice import LiftChoice as LiftChoice
from geodis.coordinates.lift_choice import select_lift as select_lift
from geodis.coordinates.lifts import Nystroem as Nystroem
from geodis.coordinates.lifts import Polynomial as Polynomial
from geodis.coordinates.lifts import RandomFourier as RandomFourier
from geodis.coordinates.linear import LinearCoordinates as LinearCoordinates
from geodis.coordinates.moments import Moments as Moments
from geodis.coordinates.spectrum import IsotypicSpectrum as IsotypicSpectrum
from geodis.coordinates.spectrum import isotypic_spectrum as isotypic_spectrum
