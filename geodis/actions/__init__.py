"""How a group moves data."""

from geodis.actions.action import AbstractAction as AbstractAction
from geodis.actions.fields import FieldRotation as FieldRotation
from geodis.actions.fields import FieldShift as FieldShift
from geodis.actions.fields import FieldSymmetries as FieldSymmetries
from geodis.actions.galilei import GalileiAction as GalileiAction
from geodis.actions.images import HueRotation as HueRotation
from geodis.actions.images import ImageRotation as ImageRotation
from geodis.actions.images import ImageScaling as ImageScaling
from geodis.actions.images import ImageShift as ImageShift
from geodis.actions.images import QuarterTurns as QuarterTurns
from geodis.actions.images import SquareSymmetries as SquareSymmetries
from geodis.actions.laws import LawErrors as LawErrors
from geodis.actions.laws import law_errors as law_errors
from geodis.actions.minimal_pairs import MinimalPairs as MinimalPairs
from geodis.actions.ordered import OrderedSlotAction as OrderedSlotAction
from geodis.actions.points import LorentzAction as LorentzAction
from geodis.actions.points import OrthogonalAction as OrthogonalAction
from geodis.actions.points import PermutationAction as PermutationAction
from geodis.actions.points import RotationAction as RotationAction
from geodis.actions.points import TranslationAction as TranslationAction
from geodis.actions.slot_pairs import SlotPairs as SlotPairs
from geodis.actions.sphere_harmonics import SphereHarmonics as SphereHarmonics
from geodis.actions.text import SlotAction as SlotAction
from geodis.actions.text import SlotText as SlotText
from geodis.actions.text import slot_texts as slot_texts
from geodis.actions.units import UnitsAction as UnitsAction
