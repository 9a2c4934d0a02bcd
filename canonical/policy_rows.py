"""The rows of a policy file: what may stand in one, and the policy that they and the action's specification make. No files here.

A file says only what differs from the specification. What would let a machine overwrite something, or would open to nobody, is
refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from canonical.action import ActionSpec
from canonical.policy import (
    ALWAYS_A_PERSON,
    NEVER_OURS,
    PROTECTED,
    ActionPolicy,
    Direction,
    GroupPolicy,
    Need,
    OperationPolicy,
    Owner,
    Rule,
    implied,
)
from canonical.queue_policy import SIGNIFICANCES, Row
from canonical.reviewer import Licence

_Hours = Annotated[float, Field(gt=0, le=8760)]
_Words = Annotated[str, Field(min_length=1, max_length=200)]
_Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")]
_Licences = Annotated[frozenset[Licence], Field(min_length=1)]


class GroupRow(Row):
    """One field group, or one field that stands in none; what is left out is as the specification implies."""

    rule: Rule | None = None
    significance: Literal["low", "medium", "high"] | None = None
    owner: Owner | None = None
    decide: _Licences | None = None
    second_signature: bool = False
    bookkeeping: bool = False
    alike: tuple[_Words, ...] = ()
    deadline_hours: dict[Annotated[int, Field(ge=1, le=4)], _Hours] = Field(default_factory=dict)


class OperationRow(Row):
    """One operation; ``reasons`` are codes of the file's own list."""

    direction: Direction | None = None
    needs_person: Need | None = None
    unless_authored_by: _Licences | None = None
    asserted: bool = False
    whole_entry: bool | None = None
    approval_hours: _Hours | None = None
    decide: _Licences | None = None
    second_signature: bool = False
    reasons: tuple[_Code, ...] = ()


class PolicyFile(Row):
    """The whole of one action's file."""

    action: Annotated[str, Field(min_length=1)]
    owner: _Words
    reviewed: date
    next_review: date
    note: str = ""
    protected: bool | None = None
    budget_per_1000: Annotated[float, Field(gt=0)] | None = None
    lowering: dict[str, Annotated[tuple[str, ...], Field(min_length=2)]] = Field(default_factory=dict)
    reasons: dict[_Code, _Words] = Field(default_factory=dict)
    groups: dict[str, GroupRow] = Field(default_factory=dict)
    operations: dict[str, OperationRow] = Field(default_factory=dict)


def resolve(spec: ActionSpec, file: PolicyFile) -> ActionPolicy:
    """Return the policy that the specification and its file make; ask :func:`objections` before it is used."""
    base = implied(spec)
    return replace(
        base,
        owner=file.owner,
        reviewed=file.reviewed,
        next_review=file.next_review,
        note=file.note,
        protected=spec.type in PROTECTED if file.protected is None else file.protected,
        budget=file.budget_per_1000,
        lowering=file.lowering,
        groups={**base.groups, **{name: _group(base.group(name), row) for name, row in file.groups.items()}},
        operations={
            **base.operations,
            **{name: _operation(base.operation(name), row, file.reasons) for name, row in file.operations.items()},
        },
    )


def _group(base: GroupPolicy, row: GroupRow) -> GroupPolicy:
    said = row.model_dump(exclude_unset=True, exclude={"deadline_hours"})
    deadline = {severity: timedelta(hours=hours) for severity, hours in row.deadline_hours.items()}
    return replace(base, **_stated(said), deadline=deadline)


def _operation(base: OperationPolicy, row: OperationRow, words: Mapping[str, str]) -> OperationPolicy:
    said = row.model_dump(exclude_unset=True, exclude={"approval_hours", "reasons"})
    approval = base.approval if row.approval_hours is None else timedelta(hours=row.approval_hours)
    reasons = {code: words[code] for code in row.reasons if code in words}
    if row.needs_person in {Need.NEVER, Need.ALWAYS} and row.unless_authored_by is None:
        said["unless_authored_by"] = frozenset()
    return replace(base, **_stated(said), approval=approval, reasons=reasons)


def _stated(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def objections(spec: ActionSpec, file: PolicyFile) -> list[str]:
    """Return every reason for which a file may not be used, as a sentence that names its row; nothing: it may."""
    policy, base = resolve(spec, file), implied(spec)
    return [
        *_unknown(spec, file, base),
        *_harmful(policy, file),
        *(line for name in file.groups for line in _of_group(base.group(name), policy.group(name))),
        *(line for name in file.operations for line in _of_operation(spec, policy.operation(name), file)),
    ]


def _unknown(spec: ActionSpec, file: PolicyFile, base: ActionPolicy) -> Iterator[str]:
    fields = {field.alias or name for name, field in spec.model.model_fields.items()}
    grouped = {name for group in spec.field_groups for name in group.fields}
    known = set(base.groups) | (fields - grouped)
    yield from (f"groups.{name}: {spec.type} has no such field group" for name in file.groups if name not in known)
    yield from (
        f"operations.{name}: {spec.type} has no such operation"
        for name in file.operations
        if name not in base.operations
    )
    yield from (f"lowering.{name}: {spec.type} has no such field" for name in file.lowering if name not in fields)


def _harmful(policy: ActionPolicy, file: PolicyFile) -> Iterator[str]:
    if policy.action in PROTECTED and not policy.protected:
        yield f"protected: {policy.action} is always protected"
    if policy.action in PROTECTED:
        yield from (
            f"groups.{row.name}.bookkeeping: who noted it is never mere bookkeeping of a {policy.action}"
            for row in policy.groups.values()
            if row.bookkeeping or row.alike
        )
    if file.next_review <= file.reviewed:
        yield "next_review: is not after reviewed"


def _of_group(base: GroupPolicy, row: GroupPolicy) -> Iterator[str]:
    at = f"groups.{row.name}"
    if row.rule is Rule.APPEND and base.rule is not Rule.APPEND:
        yield f"{at}.rule: only what the action declares as a list to add to is appended"
    if row.rule is Rule.MERGE and row.owner is not Owner.AUTHOR:
        yield f"{at}.rule: what is the {row.owner.replace('_', ' ')}'s is never merged"
    if row.name in NEVER_OURS and row.owner is not Owner.NOT_OURS:
        yield f"{at}.owner: this is never ours to change"
    if "entered-in-error" in row.alike:
        yield f"{at}.alike: what was taken back is like nothing else"
    if row.bookkeeping and base.significance == "high":
        yield f"{at}.bookkeeping: what the action declares as high is clinical"
    if Licence.OPERATIONS in row.decide:
        yield f"{at}.decide: operations never choose what the chart says"
    if SIGNIFICANCES.index(row.significance) < SIGNIFICANCES.index(base.significance) and base.significance == "high":
        yield f"{at}.significance: what the action declares as high stays high"


def _of_operation(spec: ActionSpec, row: OperationPolicy, file: PolicyFile) -> Iterator[str]:
    at = f"operations.{row.name}"
    if (spec.type, row.name) in ALWAYS_A_PERSON:
        if row.needs_person is not Need.ALWAYS:
            yield f"{at}.needs_person: a person always decides this"
        if row.direction is not Direction.REDUCES:
            yield f"{at}.direction: this takes a warning out of the chart"
    if row.needs_person is Need.UNLESS_AUTHORED_BY and not row.unless_authored_by:
        yield f"{at}.unless_authored_by: name the licences"
    if row.needs_person is not Need.UNLESS_AUTHORED_BY and row.unless_authored_by:
        yield f"{at}.unless_authored_by: needs_person says {row.needs_person}"
    if Licence.OPERATIONS in row.decide | row.unless_authored_by:
        yield f"{at}: operations never choose what the chart says"
    rule = spec.operations.get(row.name)
    if rule is not None and rule.takes_back and not row.whole_entry:
        yield f"{at}.whole_entry: what takes an entry back speaks of all of it"
    asked = file.operations[row.name].reasons
    yield from (f"{at}.reasons: {code} is not in the list of reasons" for code in asked if code not in file.reasons)
