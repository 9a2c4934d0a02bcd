"""A UCUM code as the exact unit it stands for, read with ``ucumvert`` and ``pint``. It converts nothing.

Both libraries are loaded with the first code asked for (about a second, once a process). Numbers are fractions throughout.
Where ``pint`` defines an atom otherwise than UCUM does, the code is not understood: a wrong factor is worse than none. So it
is with logarithmic units, which convert exactly nowhere, and with an offset unit that is not alone.

Source: UCUM 2.2 (June 2024), ``ucum-essence.xml``, as ``ucumvert`` brings it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from threading import RLock
from typing import TYPE_CHECKING, Any

from canonical.errors import UnsupportedActionError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Relative. UCUM states ``m[Hg]`` in seven digits, which is 3e-6 from the product of density and gravity.
_AGREEMENT = Fraction(1, 100_000)
#: Longer codes and higher powers say nothing about a patient, and cost time to work out.
_LONGEST_CODE = 64
_HIGHEST_POWER = 99
#: ``ucumvert`` writes arbitrary units as plain ones; in UCUM each is commensurable with itself only.
_PLAIN_ONE = re.compile(r"^([^\W\d]\w*) *= *1(?: *\* *1)?(?=\s*(?:=|#|$))", re.MULTILINE)
_OF_ITS_OWN = r"\1 = []"
_LOCK = RLock()


class NotUnderstoodError(UnsupportedActionError):
    """The code is no UCUM unit, or none that is converted exactly here: a person must decide."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What a code stands for.

    ``size`` is a ``pint`` quantity, a fraction of its unit; ``root`` that unit in base units; ``annotations`` what stands in
    braces, in order: UCUM gives it no meaning, but ``{tablet}`` is not ``{capsule}``.
    """

    size: Any
    root: Any
    annotations: tuple[str, ...]

    def fits(self, other: Unit) -> bool:
        """Whether a value of the one can be stated in the other."""
        return bool(self.root == other.root) and self.annotations == other.annotations

    def of(self, value: Fraction) -> Any:
        """Return ``value`` of this unit as a ``pint`` quantity."""
        return self.size.__class__(value * self.size.magnitude, self.size.units)


def unit(code: str) -> Unit:
    """Return the unit of ``code`` (UCUM, case-sensitive).

    Raises :class:`NotUnderstoodError`.
    """
    if not 0 < len(code) <= _LONGEST_CODE:
        raise NotUnderstoodError
    with _LOCK:
        return _unit(code)


@lru_cache(maxsize=1024)
def _unit(code: str) -> Unit:
    return _ucum().unit(code)


@cache
def _ucum() -> _Ucum:
    return _Ucum()


class _Ucum:
    """Grammar, registry and UCUM's own definitions of its atoms."""

    def __init__(self) -> None:
        import pint
        import ucumvert
        from lark.exceptions import LarkError
        from ucumvert.xml_util import get_units_with_full_definition

        definitions = files("ucumvert").joinpath("pint_ucum_defs.txt").read_text("utf-8")
        self._registry: Any = pint.UnitRegistry(non_int_type=Fraction)
        self._registry.load_definitions(_PLAIN_ONE.sub(_OF_ITS_OWN, definitions).splitlines())
        self._atoms: Any = ucumvert.UcumToPintTransformer(ureg=self._registry)
        self._parser: Any = ucumvert.get_ucum_parser()
        self._defined: Mapping[str, Any] = {item.code_cs: item for item in get_units_with_full_definition()}
        self._foreign = (LarkError, pint.PintError)

    def unit(self, code: str) -> Unit:
        try:
            tree = self._parser.parse(code)
            self._refuse_offset_in(tree)
            size = self._size(tree)
            root = size.to_root_units()
        except self._foreign as error:
            raise NotUnderstoodError from error
        said = tree.scan_values(lambda token: token.type == "ANNOTATION")
        return Unit(size=size, root=root.units, annotations=tuple(map(str, said)))

    def _refuse_offset_in(self, tree: Any) -> None:
        """Let a special unit stand only alone: a product with it has no meaning in UCUM."""
        tokens = [str(token) for token in tree.scan_values(lambda token: token.type != "ANNOTATION")]
        if len(tokens) > 1 and any(token in self._defined and self._defined[token].is_special for token in tokens):
            raise NotUnderstoodError

    def _size(self, part: Any) -> Any:
        """Return the quantity of a node of the grammar's tree."""
        if not hasattr(part, "data"):
            return self._registry.Quantity(Fraction(1))
        if part.data == "simple_unit":
            return self._simple(part.children)
        if part.data == "annotatable":
            return self._power(*part.children)
        if part.data == "component" or len(part.children) == 1:
            return self._size(part.children[0])
        *first, operator, last = part.children
        before = self._size(*first) if first else self._registry.Quantity(Fraction(1))
        return before * self._size(last) if operator == "." else before / self._size(last)

    def _power(self, base: Any, exponent: Any) -> Any:
        if abs(int(exponent)) > _HIGHEST_POWER:
            raise NotUnderstoodError
        return self._size(base) ** int(exponent)

    def _simple(self, tokens: Any) -> Any:
        *prefix, atom = tokens
        if not self._agrees(str(atom)):
            raise NotUnderstoodError
        return self._scale(*map(str, prefix)) * self._atom(str(atom)) if prefix else self._atom(str(atom))

    @cache  # noqa: B019 - there is one object of this class, as long as the process lives
    def _scale(self, prefix: str) -> Fraction:
        return Fraction(self._registry.Quantity(Fraction(1), f"{prefix}m").to("m").magnitude)

    def _atom(self, atom: str) -> Any:
        found = self._atoms.simple_unit([atom])
        return self._registry.Quantity(Fraction(found.magnitude), found.units)

    @cache  # noqa: B019 - as above
    def _agrees(self, atom: str) -> bool:
        """Whether ``pint`` means by an atom what UCUM does; where UCUM makes it a number, one of its own kind is stricter."""
        defined = self._defined.get(atom)
        if defined is None:
            return True
        if defined.is_special:
            return bool(defined.property_ == "temperature")
        here = self._atom(atom).to_root_units()
        if here.magnitude == 1 and here.units == self._atom(atom).units:
            return True
        there = self._size(self._parser.parse(defined.defining_unit)).to_root_units()
        ratio = here.magnitude / (there.magnitude * Fraction(defined.conversion_factor))
        return bool(here.units == there.units) and abs(ratio - 1) <= _AGREEMENT
