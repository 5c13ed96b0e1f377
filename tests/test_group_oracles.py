"""Groups agree with scipy and geomstats, and importing them changes no global state."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch
from groups_zoo import elements, kinds
from scipy.spatial.transform import Rotation

from geodis.groups import SE, SO, SO3
from geodis.groups.rotations import quaternion_of_matrix


@kinds
def test_so3_against_scipy(kind: str) -> None:
    a, b = elements(SO3(), kind, (50,), 0), elements(SO3(), kind, (50,), 1)
    theirs = Rotation.from_rotvec(a) * Rotation.from_rotvec(b)
    np.testing.assert_allclose(SO3().matrix(SO3().compose(a, b)), theirs.as_matrix(), atol=1e-14)
    np.testing.assert_allclose(SO3().matrix(a), Rotation.from_rotvec(a).as_matrix(), atol=1e-14)
    long = 5 * a
    principal = Rotation.from_rotvec(long).as_rotvec()
    np.testing.assert_allclose(SO3().log(long), principal, atol=1e-7 if kind == "near cut" else 1e-13)
    quaternion = quaternion_of_matrix(torch.as_tensor(theirs.as_matrix())).numpy()
    overlap = (quaternion * theirs.as_quat(scalar_first=True)).sum(-1)
    np.testing.assert_allclose(np.abs(overlap), 1, atol=1e-14)


def test_against_geomstats() -> None:
    from geomstats.geometry.special_euclidean import SpecialEuclidean
    from geomstats.geometry.special_orthogonal import SpecialOrthogonal

    theirs = SpecialOrthogonal(n=3, point_type="vector")
    a, b = SO3().sample(20, 0), SO3().sample(20, 1)
    np.testing.assert_allclose(SO3().compose(a, b), theirs.compose(a, b), atol=1e-10)
    rigid = SpecialEuclidean(n=3, equip=False)
    x, y = SE(3).sample(20, 0), SE(3).sample(20, 1)
    np.testing.assert_allclose(
        SE(3).matrix(SE(3).compose(x, y)), rigid.compose(SE(3).matrix(x), SE(3).matrix(y)), atol=1e-12
    )
    matrices = SpecialOrthogonal(n=5, equip=False)
    g = SO(5).sample(20, 0)
    assert matrices.belongs(SO(5).matrix(g), atol=1e-12).all()


def test_importing_groups_changes_no_global_state() -> None:
    code = (
        "import logging, numpy, torch; before = numpy.random.get_state()[1].sum();"
        "import geodis.groups, sys;"
        "assert torch.get_default_dtype() == torch.float32 and not logging.getLogger().handlers;"
        "assert numpy.random.get_state()[1].sum() == before and 'geomstats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
