"""What a symmetry is: groups as parameters with a product, and their representations."""

from geodis.groups.cyclic import Cyclic as Cyclic
from geodis.groups.dihedral import Dihedral as Dihedral
from geodis.groups.euclidean import SE as SE
from geodis.groups.family import ContinuousFamily as ContinuousFamily
from geodis.groups.group import AbstractGroup as AbstractGroup
from geodis.groups.hyperoctahedral import Hyperoctahedral as Hyperoctahedral
from geodis.groups.linear import GL as GL
from geodis.groups.lorentz import Lorentz as Lorentz
from geodis.groups.orthogonal import O as O
from geodis.groups.parse import parse as parse
from geodis.groups.permutations import Permutations as Permutations
from geodis.groups.product import Product as Product
from geodis.groups.representation import Representation as Representation
from geodis.groups.representation import direct_sum as direct_sum
from geodis.groups.scaling import Scaling as Scaling
from geodis.groups.so2 import SO2 as SO2
from geodis.groups.so3 import SO3 as SO3
from geodis.groups.son import SO as SO
from geodis.groups.translation import Translation as Translation
