"""Whether the chart holds exactly what was accepted: from what apps sent and were told, and what the EHR itself holds.

It reads none of the service's tables: the service's word counts only for how it says each command ended.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cli.demo.chart import Evidence, Version
from cli.demo.content import wrong_elements
from cli.demo.intents import Intent, Kind
from cli.demo.likeness import is_among, is_reading_of

#: Our business identifiers in a resource: who created it, and who changed it last.
CREATED_BY = "urn:fhir-writeback:command"
CHANGED_BY = "urn:fhir-writeback:change"
_WRITES = frozenset({"create", "update", "delete"})


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the apps were told about one intent.

    Args:
        commands: ids in the receipts; more than one is a defect.
        refusals: codes of the refusals.
        status, state, reason: how the command ended; empty when there is none.
    """

    intent: Intent
    commands: frozenset[str] = frozenset()
    refusals: tuple[str, ...] = ()
    status: str = ""
    state: str = ""
    reason: str = ""

    @property
    def command(self) -> str | None:
        return next(iter(self.commands), None)

    @property
    def is_charted(self) -> bool:
        """Whether the service says that the write stands in the chart, or stood there."""
        return self.status in {"inChart", "takenBack"}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One way in which the run is not what it must be; `rule` names which, `sentence` tells it without any value."""

    rule: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that is known at the end: what the apps were told, what the EHR holds, whether the service's books close.

    `named_in_flight` are the commands that a revocation said were on their way already. An EHR that keeps no identifier of
    ours is judged by content: `unmarked` are the LOINC codes of the readings that only we write there.
    """

    told: tuple[Told, ...]
    found: Evidence
    named_in_flight: frozenset[str]
    balance_closes: bool
    unmarked: frozenset[str] = frozenset()

    @property
    def by_command(self) -> dict[str, Told]:
        return {command: told for told in self.told for command in told.commands}


def judge(case: Case) -> list[Difference]:
    """Return everything that is wrong; nothing means that the chart holds exactly what was accepted."""
    return [Difference(rule=rule, sentence=sentence) for rule, check in RULES.items() for sentence in check(case)]


def _endings(case: Case) -> Iterator[str]:
    for told in case.told:
        ending, name = told.intent.ending, told.intent.name
        if len(told.commands) > 1:
            yield f"{name} became {len(told.commands)} commands under one key."
        elif ending.code is not None:
            if told.commands or set(told.refusals) != {ending.code}:
                yield f"{name} ({told.intent.kind}) was to be refused as '{ending.code}' and was not."
        elif not told.commands:
            yield f"{name} ({told.intent.kind}) got no receipt: {', '.join(told.refusals) or 'no answer'}."
        elif told.status != ending.status or (ending.reason or told.reason) != told.reason:
            yield (
                f"{name} ({told.intent.kind}) ended as {told.status or 'nothing'}/{told.reason}, "
                f"not as {ending.status}/{ending.reason or 'any reason'}."
            )


def _creates(case: Case) -> Iterator[str]:
    for told in case.told:
        if not told.intent.creates or told.command is None:
            continue
        found = created_by(case, told)
        wanted = 1 if told.is_charted else 0
        if len(found) != wanted:
            yield f"{told.intent.name}: {len(found)} resources in the chart, not {wanted}."


def created_by(case: Case, told: Told) -> list[str]:
    """Return the references of what a command created (`told` has one): by our mark, or, where none is kept, by content."""
    if not case.unmarked:
        return [name for name, it in case.found.current.items() if _mark(it, CREATED_BY) == told.command]
    fresh = {name: it for name, it in case.found.current.items() if name not in case.found.seeded}
    return [name for name, it in fresh.items() if is_reading_of(it, told.intent.envelope)]


def _changes(case: Case) -> Iterator[str]:
    for told in case.told:
        if told.intent.creates or told.command is None:
            continue
        writes = [(it, before) for it, before in case.found.written if _changed_by(it, before) == told.command]
        wanted = 1 if told.is_charted else 0
        if len(writes) != wanted:
            yield f"{told.intent.name}: written {len(writes)} times, not {wanted}."
        yield from (fault for it, before in writes for fault in _version_faults(case, told, it, before))


def _version_faults(case: Case, told: Told, written: Version, before: Version | None) -> Iterator[str]:
    target = told.intent.envelope.get("target", {})
    seen = target.get("versionId")
    if seen is not None and (before is None or before.version != seen):
        yield f"{told.intent.name}: written over another version than its author saw."
    root = case.by_command.get(target.get("command", ""))
    if root is not None and before is not None and _mark(before.resource, CREATED_BY) != root.command:
        yield f"{told.intent.name}: written on another resource than the one it names."
    if target.get("reference") not in {None, written.reference}:
        yield f"{told.intent.name}: written on another resource than the one it names."


def _contents(case: Case) -> Iterator[str]:
    if case.unmarked:
        # What is found by its content cannot differ in it.
        return
    for version, before in case.found.written:
        told = case.by_command.get(_writer(version, before) or "")
        if told is None or version.resource is None:
            continue
        wrong = wrong_elements(told.intent.envelope, version.resource, before.resource if before else None)
        if wrong:
            yield f"{told.intent.name}: the chart differs in {', '.join(wrong)}."


def _strangers(case: Case) -> Iterator[str]:
    if case.unmarked:
        yield from _strange_readings(case)
        return
    for version, before in case.found.written:
        if _writer(version, before) not in case.by_command:
            yield f"{version.reference} version {version.version} was written by no command that was accepted."
    created = {name for name in case.found.current if not _is_of_the_ehr(name)} - case.found.seeded
    ours = {it.reference for it, before in case.found.written if before is None}
    for reference in sorted(created - ours):
        yield f"{reference} is in the chart and nobody knows who created it."


def _is_of_the_ehr(reference: str) -> bool:
    """Whether it is what an EHR itself notes of its clinicians' edits; no command writes any."""
    return reference.startswith("Provenance/")


def _strange_readings(case: Case) -> Iterator[str]:
    """Tell of readings that no accepted command said; other entries are the EHR's own, such as the panel it files them in."""
    accepted = [told.intent.envelope for told in case.told if told.is_charted]
    for name, it in case.found.current.items():
        if name in case.found.seeded or not is_among(it, case.unmarked):
            continue
        if not any(is_reading_of(it, envelope) for envelope in accepted):
            yield f"{name} is in the chart and no command that was accepted says so."


def _gone(case: Case) -> Iterator[str]:
    for reference in sorted(case.found.seeded - set(case.found.current)):
        yield f"{reference} was in the chart before and is gone."


def _edits(case: Case) -> Iterator[str]:
    for reference, edit in sorted(case.found.edits.items()):
        current = case.found.current.get(reference)
        if current is None or current["meta"]["versionId"] != edit.version or current != edit.resource:
            yield f"{reference}: a clinician's edit is no longer what the chart says."


def _requests(case: Case) -> Iterator[str]:
    by_name = {told.intent.name: told for told in case.told}
    for request in case.found.requests:
        if request["interaction"] not in _WRITES:
            continue
        told = by_name.get(request["headers"].get("x-correlation-id", ""))
        if told is None:
            yield f"Request {request['id']} of the EHR's log wrote for nobody we know."
        elif told.command is None:
            yield f"{told.intent.name} was refused, and yet a write request reached the EHR."
        elif not told.is_charted and not _was_refused_as_moved(told, request["answer"]):
            yield f"{told.intent.name} was held back, and yet a write request reached the EHR."


def _was_refused_as_moved(told: Told, answer: int | None) -> bool:
    """Whether the EHR itself found that the version had moved: our look had been a moment too early."""
    return told.intent.kind is Kind.MOVED and answer in {409, 412}


def _revocations(case: Case) -> Iterator[str]:
    for told in case.told:
        if told.intent.kind is Kind.IN_FLIGHT and told.command not in case.named_in_flight:
            yield f"{told.intent.name} was on its way when its consent was revoked, and the answer did not say so."


def _books(case: Case) -> Iterator[str]:
    if not case.balance_closes:
        yield "The service's own balance does not close."


#: What is judged, in this order.
RULES: Mapping[str, Callable[[Case], Iterator[str]]] = {
    "ending": _endings,
    "one resource for each create": _creates,
    "one version for each change": _changes,
    "content": _contents,
    "no write of a stranger": _strangers,
    "nothing removed": _gone,
    "clinicians' edits": _edits,
    "no request for what was refused": _requests,
    "revocation names what is in flight": _revocations,
    "balance": _books,
}


def _mark(resource: Mapping[str, object] | None, system: str) -> str | None:
    identifiers = (resource or {}).get("identifier", [])
    found = (
        [it.get("value") for it in identifiers if it.get("system") == system] if isinstance(identifiers, list) else []
    )
    return str(found[0]) if len(found) == 1 else None


def _changed_by(version: Version, before: Version | None) -> str | None:
    """Return the command whose change this version is; a later version still carries the mark of the one before."""
    mark = _mark(version.resource, CHANGED_BY)
    return mark if before is not None and mark != _mark(before.resource, CHANGED_BY) else None


def _writer(version: Version, before: Version | None) -> str | None:
    return _mark(version.resource, CREATED_BY) if before is None else _changed_by(version, before)
