"""Every group is read back from its name, and what is no name is refused."""

from __future__ import annotations

import pytest
from groups_zoo import Case, quick, zoo
from hypothesis import given
from hypothesis import strategies as st

from geodis.errors import ParameterError, UnknownNameError
from geodis.groups import SE, SO2, Cyclic, Dihedral, Translation, parse


# --- names ------------------------------------------------------------------------------------------------------------
@zoo
def test_parse_round_trip(case: Case) -> None:
    group = case.make()
    again = parse(repr(group))
    assert again == group
    assert hash(again) == hash(group)
    assert repr(again) == repr(group)
    assert group != "a string"
    assert group != Cyclic(1001)


def test_parse_reads_what_people_write() -> None:
    assert parse("SO2") == parse(" SO2() ") == SO2()
    assert parse("SO2*Cyclic(3)*SE(2)") == SO2() * Cyclic(3) * SE(2) == SO2() * (Cyclic(3) * SE(2))
    assert parse("Translation(2, period=(1.0, 2.5))").period == (1.0, 2.5)
    assert parse("Translation(2, period=1.0)") == Translation(2, period=(1, 1))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SO9", UnknownNameError),
        ("", UnknownNameError),
        ("SO2 + SO2", UnknownNameError),
        ("__import__('os')", UnknownNameError),
        ("Cyclic(__import__('os'))", UnknownNameError),
        ("Cyclic(3", UnknownNameError),
        ("SO2().compose", UnknownNameError),
        (7, UnknownNameError),
        ("Cyclic()", ParameterError),
        ("SO2(3)", ParameterError),
        ("Cyclic(3, m=2)", ParameterError),
        ("Cyclic(0)", ParameterError),
        ("Cyclic(2.5)", ParameterError),
    ],
)
def test_parse_refuses(text: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        parse(text)
    if error is UnknownNameError:
        assert "Hyperoctahedral" in str(caught.value)


# --- laws with free parameters ----------------------------------------------------------------------------------------
@quick
@given(st.integers(1, 99), st.lists(st.floats(0.01, 1e4), min_size=1, max_size=3))
def test_any_name_is_read_back(n: int, periods: list[float]) -> None:
    group = Cyclic(n) * Translation(len(periods), period=tuple(periods)) * Dihedral(n)
    assert parse(repr(group)) == group
