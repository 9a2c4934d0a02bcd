"""``ProblemUpdate`` as an R4 Condition, told once for writing and reading. Codes go out as written, each as its author chose it.

What an app adds is ``unconfirmed``: confirming is the hospital's own. A refuted entry keeps a clinical status, ``inactive``
(con-3); an entry in error has none (con-5), and therefore no abatement either (con-4): the earlier version keeps it.

Source: HL7 FHIR R4 (4.0.1) Condition; US Core condition categories.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.r4.change import Change, Handler, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.clinical_status import Statuses, StatusMove
from adapters.r4.fields import Field, agree, appended, choice, has_code, plain, put
from adapters.r4.invariants import (
    ABATED,
    ABATEMENT,
    CONDITION_CATEGORY,
    CONDITION_CLINICAL,
    CONDITION_VERIFICATION,
)
from canonical.errors import NeedsPersonError
from canonical.laterality import disagree
from canonical.onset import elements
from canonical.ports import Resource
from canonical.problem_rules import TAKES

TYPE = "Condition"
#: category → its coding; FHIR's own system has no health concern, US Core's has.
CATEGORIES: Mapping[str, dict[str, str]] = {
    "problem-list-item": {"system": CONDITION_CATEGORY, "code": "problem-list-item"},
    "encounter-diagnosis": {"system": CONDITION_CATEGORY, "code": "encounter-diagnosis"},
    "health-concern": {
        "system": "http://hl7.org/fhir/us/core/CodeSystem/condition-category",
        "code": "health-concern",
    },
}
_LIVE: frozenset[str | None] = frozenset({"active", "recurrence", "relapse", None})
_OVER: frozenset[str | None] = frozenset(ABATED)
_VERIFICATION: frozenset[str | None] = frozenset({"unconfirmed", "provisional", "differential", "confirmed", None})
STATUSES = Statuses(
    clinical_system=CONDITION_CLINICAL,
    verification_system=CONDITION_VERIFICATION,
    moves={
        "update": StatusMove(clinical_from=_LIVE | _OVER, verification_from=_VERIFICATION),
        "resolve": StatusMove(
            clinical_from=_LIVE | {"inactive", "remission"}, verification_from=_VERIFICATION, clinical="resolved"
        ),
        "inactivate": StatusMove(clinical_from=_LIVE, verification_from=_VERIFICATION, clinical="inactive"),
        "reactivate": StatusMove(clinical_from=_OVER, verification_from=_VERIFICATION, clinical="active"),
        "refute": StatusMove(
            clinical_from=_LIVE | _OVER, verification_from=_VERIFICATION, clinical="inactive", verification="refuted"
        ),
        "retract": StatusMove(
            clinical_from=_LIVE | _OVER,
            verification_from=_VERIFICATION | {"refuted"},
            clinical=None,
            verification="entered-in-error",
        ),
    },
)
#: Operations after which nothing has ended: they take the abatement out (con-4).
UNENDED = frozenset({"reactivate", "retract"})


def _is_category(item: Any, name: str) -> bool:
    return has_code(item, CATEGORIES[name]["system"], name)


def _read_category(resource: Resource) -> Any:
    here = resource.get("category", [])
    known = (name for name in CATEGORIES if any(_is_category(item, name) for item in here))
    return next(known, resource.get("category"))


def _write_category(resource: Resource, value: Any) -> None:
    others = [item for item in resource.get("category", []) if not any(_is_category(item, name) for name in CATEGORIES)]
    put(resource, "category", [{"coding": [CATEGORIES[value]]}, *others] if value is not None else others)


#: Every field of ``ProblemUpdate`` that reaches the chart; ``changeReason`` becomes a note.
FIELDS: tuple[Field, ...] = (
    Field(name="category", read=_read_category, write=_write_category),
    plain("code"),
    plain("severity"),
    plain("bodySite"),
    *(choice(name, elements("onset")) for name in elements("onset")),
    *(choice(name, ABATEMENT) for name in ABATEMENT),
    plain("stage"),
    plain("evidence"),
    plain("asserter"),
    plain("recorder"),
    plain("recordedDate"),
    appended("note"),
)
#: operation → fields it writes besides ``note``; what it takes and does not write names the entry meant.
WRITES: Mapping[str, tuple[str, ...]] = {
    "update": tuple(name for name in TAKES["update"] if name not in {"category", "note"}),
    **dict.fromkeys(("resolve", "inactivate"), ABATEMENT),
    **dict.fromkeys(("reactivate", "refute", "retract"), ()),
}


def add(change: Change) -> Resource:
    """Build the Condition of a problem newly documented."""
    refuse_besides(change, TAKES["add"])
    resource = new_resource(TYPE, change)
    STATUSES.begin(resource, clinical="active", verification="unconfirmed")
    put(resource, "encounter", change.encounter)
    write_fields(resource, FIELDS, change.content)
    return resource


def update(change: Change) -> Resource:
    """Build the target after the change.

    Raises :class:`NeedsPersonError` ``status_ended``, ``other_problem``, ``laterality`` or ``still_active``: send nothing.
    """
    refuse_besides(change, TAKES[change.operation])
    resource = copy_of_current(change)
    _check_named(change, resource)
    STATUSES.move(resource, change.operation)
    said = {name: value for name, value in change.content.items() if name in WRITES[change.operation]}
    ended = dict.fromkeys(ABATEMENT) if change.operation in UNENDED else {}
    reason = change.content.get("changeReason")
    notes = [*(change.content.get("note") or []), *([{"text": reason}] if reason else [])]
    write_fields(resource, FIELDS, {**ended, **said, **({"note": notes} if notes else {})})
    _check_whole(change, resource)
    return resource


def _check_named(change: Change, resource: Resource) -> None:
    named = None if change.operation == "update" else change.content.get("code")
    listed = any(_is_category(item, change.content["category"]) for item in resource.get("category", []))
    if not listed or (named is not None and not agree(named, resource.get("code"))):
        raise NeedsPersonError(
            "other_problem", "The target is another problem, or on another list, than the action names."
        )


def _check_whole(change: Change, resource: Resource) -> None:
    """What the action adds must fit what it leaves as it is."""
    describes = change.operation == "update" and bool({"code", "bodySite"} & change.content.keys())
    if describes and disagree(resource.get("code"), resource.get("bodySite", [])):
        raise NeedsPersonError("laterality", "The entry would name one side in its code and another as its body site.")
    stated = any(change.content.get(name) is not None for name in ABATEMENT)
    if stated and not any(has_code(resource.get("clinicalStatus"), CONDITION_CLINICAL, code) for code in ABATED):
        raise NeedsPersonError("still_active", "The entry is active: it ends by being resolved or inactivated.")


_UPDATE = Handler(resource_type=TYPE, build=update)
HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("ProblemUpdate", "add"): Handler(resource_type=TYPE, build=add, creates=True),
    **{("ProblemUpdate", operation): _UPDATE for operation in WRITES},
}
