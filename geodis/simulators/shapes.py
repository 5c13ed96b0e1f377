"""Twenty-eight families of solids: each a function of a random generator → a list of convex cells.

Frame: x is the object's front, y up, z its right-hand side. Proportions are continuous and independent, so that no two
instances agree. Mirror symmetry in z is allowed; no instance has a proper rotation that maps it to itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from geodis.simulators import household, outdoors
from geodis.simulators.cells import Cell

FAMILIES: dict[str, Callable[[np.random.Generator], list[Cell]]] = {
    "chair": household.chair,
    "armchair": household.armchair,
    "mug": household.mug,
    "hammer": outdoors.hammer,
    "house": household.house,
    "airplane": outdoors.airplane,
    "car": outdoors.car,
    "boat": outdoors.boat,
    "key": household.key,
    "lamp": household.lamp,
    "desk": household.desk,
    "teapot": household.teapot,
    "drill": outdoors.drill,
    "boot": household.boot,
    "bracket": household.bracket,
    "letter_f": household.letter_f,
    "pipe": household.pipe,
    "dog": outdoors.dog,
    "bird": outdoors.bird,
    "camera": household.camera,
    "guitar": household.guitar,
    "tree": outdoors.tree,
    "staircase": household.staircase,
    "crane": outdoors.crane,
    "tank": outdoors.tank,
    "snowman": outdoors.snowman,
    "telescope": outdoors.telescope,
    "duck": outdoors.duck,
}
