"""How another value of a field may be typed, and what a typed one comes to: laid over the proposal, of which the rest stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from canonical.action import Action
from canonical.case_views import Editable, EditKind
from canonical.plain_values import words

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T.*)?)?)?")


def editable(model: type[Action], name: str, proposed: Any) -> Editable | None:
    """Return how another value than ``proposed`` (R4 JSON) may be typed for field ``name``; ``None``: it may not, on a page."""
    options = _options(model, name)
    if options:
        return Editable(kind=EditKind.CHOICE, options=tuple((option, words(option)) for option in options))
    one = proposed[0] if isinstance(proposed, list) and len(proposed) == 1 else proposed
    if isinstance(one, Mapping):
        return _structure(one)
    if isinstance(one, str) and one is proposed:
        return Editable(kind=EditKind.DATE if _DATE.fullmatch(one) else EditKind.TEXT)
    return None


def _structure(value: Mapping[str, Any]) -> Editable | None:
    if "value" in value and ("unit" in value or "code" in value):
        return Editable(kind=EditKind.QUANTITY, unit=str(value.get("unit") or value.get("code")))
    if "text" in value and ("doseAndRate" in value or "timing" in value or "route" in value):
        none: Mapping[str, Any] = {}
        dose = next((rate["doseQuantity"] for rate in value.get("doseAndRate") or [] if rate.get("doseQuantity")), none)
        unit = str(dose.get("unit") or dose.get("code") or "")
        return Editable(kind=EditKind.DOSAGE, unit=unit, dose=str(dose.get("value", "")))
    return None


def _options(model: type[Action], name: str) -> tuple[str, ...]:
    """Return the codes of a field that takes only those of a list."""
    info = next((item for key, item in model.model_fields.items() if (item.alias or key) == name), None)
    return tuple(_literals(info.annotation)) if info is not None else ()


def _literals(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [str(item) for item in get_args(annotation)]
    # A list of codes is no choice of one.
    return [] if get_origin(annotation) is tuple else [one for part in get_args(annotation) for one in _literals(part)]


def laid_over(proposed: Any, typed: Any) -> Any:
    """Return ``proposed`` with what was ``typed`` in the place of what it says there; a list of one is that one."""
    if isinstance(proposed, list) and len(proposed) == 1 and not isinstance(typed, list):
        return [laid_over(proposed[0], typed)]
    if isinstance(proposed, list) and isinstance(typed, list) and len(proposed) == len(typed) == 1:
        return [laid_over(proposed[0], typed[0])]
    if isinstance(proposed, Mapping) and isinstance(typed, Mapping):
        return {**proposed, **{name: laid_over(proposed.get(name), value) for name, value in typed.items()}}
    return typed
