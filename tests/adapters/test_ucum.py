"""What is understood is what UCUM says, proved against UCUM's own definitions as the library brings them."""

import subprocess
import sys
from fractions import Fraction
from threading import Thread
from typing import Any

import pytest
import ucumvert.xml_util as essence
from hypothesis import given
from hypothesis import strategies as st

from adapters import ucum
from adapters.ucum import NotUnderstoodError, unit
from canonical.errors import UnsupportedActionError

ATOMS = {item.code_cs: item for item in essence.get_units_with_full_definition()}
ARBITRARY = sorted(code for code, item in ATOMS.items() if item.is_arbitrary)
#: Known: the library reads these otherwise than UCUM defines them, or they are logarithmic. None of them is refused silently.
REFUSED = {
    *("Bq", "'", "Mx", "G", "Oe", "Gb", "Ci", "[cft_i]", "[cyd_i]", "[rd_br]", "[ch_br]", "[lk_br]", "[didot]"),
    *("[cicero]", "cal_[15]", "[Cal]", "[Btu]", "[in_i'H2O]", "[in_i'Hg]", "[p'diop]", "%[slope]", "[hp'_X]"),
    *("[hp'_C]", "[hp'_M]", "[hp'_Q]", "[pH]", "g%", "Np", "B", "B[SPL]", "B[V]", "B[mV]", "B[uV]", "B[10.nV]"),
    *("B[W]", "B[kW]", "[m/s2/Hz^(1/2)]", "bit_s", "Bd"),
}
PREFIXES = {
    item.attrib["Code"]: Fraction(item.find("{*}value").attrib["value"])
    for item in essence.root.findall(".//{*}prefix")
}


def understood(code: str) -> bool:
    try:
        unit(code)
    except NotUnderstoodError:
        return False
    return True


def in_base(code: str) -> Any:
    return unit(code).size.to_root_units()


def test_every_unit_of_ucum_is_understood_but_the_known_ones() -> None:
    every = {*ATOMS, *essence.get_base_units()}
    assert {code for code in every if not understood(code)} == REFUSED


@pytest.mark.parametrize("code", sorted(set(ATOMS) - REFUSED - set(ARBITRARY)))
def test_a_unit_has_the_size_that_ucum_defines_or_is_of_its_own_kind(code: str) -> None:
    defined = ATOMS[code]
    if defined.is_special:
        assert defined.property_ == "temperature"
        return
    here = in_base(code)
    if here.magnitude == 1 and here.units == unit(code).size.units:
        return
    there = in_base(defined.defining_unit) * Fraction(defined.conversion_factor)
    assert here.units == there.units
    assert abs(here.magnitude / there.magnitude - 1) <= Fraction(1, 100_000)


@pytest.mark.parametrize(
    "code", ["kg", "[lb_av]", "[oz_av]", "[in_i]", "cm", "L", "min", "%", "mmol/L", "10*9/L", "/min"]
)
def test_the_size_of_an_everyday_unit_is_exact(code: str) -> None:
    assert isinstance(in_base(code).magnitude, Fraction | int)


@pytest.mark.parametrize("prefix", sorted(PREFIXES))
def test_a_prefix_has_the_factor_that_ucum_defines(prefix: str) -> None:
    for atom in ("g", "m", "L", "[IU]", "m[Hg]", "[h]"):
        assert in_base(prefix + atom).magnitude == PREFIXES[prefix] * in_base(atom).magnitude
        assert unit(prefix + atom).root == unit(atom).root


@pytest.mark.parametrize("code", ARBITRARY)
def test_an_arbitrary_unit_is_no_plain_number_and_no_other_arbitrary_unit(code: str) -> None:
    alike = {"[iU]", "[IU]"}
    assert not unit(code).fits(unit("1"))
    fitting = {other for other in ARBITRARY if unit(code).fits(unit(other))}
    assert fitting == (alike if code in alike else {code})


@pytest.mark.parametrize(
    "code",
    [
        *(
            "",
            " ",
            "kg ",
            " kg",
            "kg\n",
            "KG",
            "mmHg",
            "lb",
            "°C",
            "µg",
            "kg m",
            "mg/",
            "//",
            "()",
            "{",
            "}{",
            "mg}",
            "0",
        ),
        *("dB", "B[SPL]", "mCel", "Cel/min", "2.Cel", "/Cel", "Cel2", "m[degF]", "m100", "m-100", "kg" * 40, "(" * 40),
        *("1e3", "-1", ".5", "NaN", "None", "g'", "\x00", "\ud800", "mg/mL/"),
    ],
)
def test_what_is_no_unit_is_not_understood(code: str) -> None:
    with pytest.raises(NotUnderstoodError) as refused:
        unit(code)
    assert isinstance(refused.value, UnsupportedActionError)
    assert str(refused.value).endswith("a person must decide.")


@given(st.text(max_size=80))
def test_no_text_does_anything_but_be_understood_or_not(code: str) -> None:
    understood(code)


@given(
    st.lists(st.sampled_from([*"()./{}23-", "kg", "Cel", "[IU]", "m", "10*", "%", "[degF]"]), max_size=12).map("".join)
)
def test_no_sequence_of_pieces_does_anything_but_be_understood_or_not(code: str) -> None:
    understood(code)


def test_what_stands_in_braces_counts() -> None:
    assert not unit("{tablet}").fits(unit("{capsule}"))
    assert not unit("{tablet}").fits(unit("1"))
    assert not unit("{a}/{b}").fits(unit("{b}/{a}"))
    assert unit("mg{total}").fits(unit("g{total}"))


def test_importing_the_room_does_not_load_the_libraries() -> None:
    program = (
        "import sys, adapters.units, adapters.r4.normalisation; print({'pint', 'ucumvert', 'lark'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_threads_that_come_first_together_get_one_and_the_same_unit() -> None:
    ucum._unit.cache_clear()
    ucum._ucum.cache_clear()
    found: list[ucum.Unit] = []
    threads = [Thread(target=lambda: found.append(unit("mg/dL"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1
