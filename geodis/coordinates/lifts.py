"""The lifts that need no training: specs to fit, and what fitting them gives."""

from geodis.coordinates.fourier_lift import FourierLift as FourierLift
from geodis.coordinates.fourier_lift import RandomFourier as RandomFourier
from geodis.coordinates.nystroem_lift import Nystroem as Nystroem
from geodis.coordinates.nystroem_lift import NystroemLift as NystroemLift
from geodis.coordinates.polynomial_lift import Polynomial as Polynomial
from geodis.coordinates.polynomial_lift import PolynomialLift as PolynomialLift
