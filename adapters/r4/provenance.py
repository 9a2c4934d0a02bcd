"""Who and what made an entry, as a Provenance beside it: the last operations of a command. The entry itself says nothing of it.

A Provenance has no identifier in R4, so no conditional create guards it. Our mark is in it as the identifier of what it was
made from, the command: by that it is known again among what a search for the entry's Provenance finds.

Source: HL7 FHIR R4 (4.0.1), Provenance; code systems provenance-participant-type, v3-DataOperation, v3-ActReason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from adapters.r4.attribution import instant
from adapters.r4.natural_key import entries
from adapters.r4.operation_outcome import json_object
from adapters.r4.validity import check_valid
from adapters.site import Site
from adapters.versions import version_of
from adapters.wire import Answer
from canonical import exact_json
from canonical.capabilities import Capabilities, Interaction, provenance_asked
from canonical.command import Command
from canonical.compound import as_written, operation_urn
from canonical.envelope import Author, Envelope
from canonical.outcome import ProbeResult, ProbeVerdict
from canonical.ports import Operation, Resource
from canonical.provenance import PROVENANCE, is_wanted, model_words

_CODES = "http://terminology.hl7.org/CodeSystem/"
_PARTICIPANT = _CODES + "provenance-participant-type"
_DEVICE = "Device"
#: What no role of a Provenance agent says in FHIR's codes is said in the words of the command.
_NOBODY = "not named"


def with_provenance(
    command: Command, planned: Sequence[Operation], capabilities: Capabilities, site: Site
) -> list[Operation]:
    """Return ``planned`` and, where connection and EHR want it, what tells of them: one for all, or one for each."""
    taken = capabilities.provenance_write
    if taken is None or not is_wanted(command.envelope, provenance_asked(capabilities, site.options)):
        return list(planned)
    entries_ = [
        item if item.placeholder else replace(item, placeholder=operation_urn(command.id, item.seq)) for item in planned
    ]
    groups = [[item] for item in entries_] if taken.one_target else [entries_]
    exact = capabilities.attribution.versions
    told = [_operation(command, group, site, number, exact=exact) for number, group in enumerate(groups, 1)]
    return [*entries_, *(replace(item, seq=len(entries_) + at) for at, item in enumerate(told, 1))]


def _operation(command: Command, about: Sequence[Operation], site: Site, number: int, *, exact: bool) -> Operation:
    mark = f"{site.created_by(command.id)}.provenance{number}"
    resource = _resource(command, about, mark, exact=exact)
    check_valid(resource)
    return Operation(
        interaction=Interaction.CREATE,
        resource_type=PROVENANCE,
        body=exact_json.dumps(resource).encode(),
        mark=mark,
        mapping_version=about[0].mapping_version,
        is_primary=False,
    )


def _resource(command: Command, about: Sequence[Operation], mark: str, *, exact: bool) -> Resource:
    names = [item.placeholder or "" for item in about]
    recorded = max((item.at for item in command.approvals), default=command.received_at)
    return {
        "resourceType": PROVENANCE,
        "target": [{"reference": as_written(name) if exact else name} for name in names],
        "recorded": recorded.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "reason": [_concept("v3-ActReason", command.envelope.purpose_of_use)],
        "activity": _concept("v3-DataOperation", _activity(command)),
        "agent": list(_agents(command)),
        "entity": list(_entities(command.envelope, mark)),
    }


def _activity(command: Command) -> str:
    if command.takes_back:
        return "NULLIFY"
    return "CREATE" if command.rule.creates else "UPDATE"


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": _CODES + system, "code": code}]}


def _agents(command: Command) -> Iterator[dict[str, Any]]:
    """Who decided it, the model that wrote it, who vouched for it upstream, and who approved it here."""
    envelope = command.envelope
    author = _agent("author", "Author", _who(envelope.author)) | {"role": [{"text": envelope.author.role}]}
    if envelope.on_behalf_of is not None:
        author["onBehalfOf"] = {"identifier": envelope.on_behalf_of.as_json()}
    yield author
    if envelope.ai is not None:
        yield _agent("assembler", "Assembler", {"type": _DEVICE, "display": model_words(envelope)})
    for attestation in envelope.attestation or ():
        who = {"identifier": attestation.who.as_json()}
        yield _agent("attester", "Attester", who) | {"role": [{"text": attestation.role}]}
    if envelope.ai is not None and envelope.ai.approved_by is not None:
        yield _agent("attester", "Attester", {"identifier": envelope.ai.approved_by.as_json()})
    for approval in command.approvals:
        yield _agent("verifier", "Verifier", {"identifier": {"value": approval.person}, "display": approval.name})


def _agent(code: str, display: str, who: Mapping[str, Any]) -> dict[str, Any]:
    coding = {"system": _PARTICIPANT, "code": code, "display": display}
    return {"type": {"coding": [coding]}, "who": dict(who)}


def _who(author: Author) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if author.reference is not None:
        told["reference"] = author.reference
    if author.identifier is not None:
        told["identifier"] = author.identifier.as_json()
    return told or {"display": _NOBODY}


def _entities(envelope: Envelope, mark: str) -> Iterator[dict[str, Any]]:
    """The command, what the content was derived from, and what the model read; each by its name alone."""
    system, _, value = mark.rpartition("|")
    yield {"role": "source", "what": {"identifier": {"system": system, "value": value}}}
    derived = (envelope.source.derived_from if envelope.source is not None else None) or ()
    for reference in derived:
        yield {"role": "derivation", "what": {"reference": reference}}
    for reference in (envelope.ai.source_facts if envelope.ai is not None else None) or ():
        if reference not in derived:
            yield {"role": "source", "what": {"reference": reference}}


def path_of(operation: Operation) -> str:
    """Return the search for the Provenance of the first entry that ``operation`` tells of, encoded."""
    target = str(exact_json.parse(operation.body)["target"][0]["reference"])
    return f"{PROVENANCE}?target={quote(target.partition('/_history/')[0], safe='')}"


def read_probe(operation: Operation, answer: Answer) -> ProbeResult:
    """Return what a complete answer to :func:`path_of` proves; whatever proves nothing is ``cannot_tell``."""
    found = entries(answer)
    if found is None or not _went_by_target(answer):
        return _cannot_tell("the answer is no whole search for the entry's Provenance")
    ours = [item for item in found if operation.mark in _marks(item) and isinstance(item.get("id"), str)]
    if len(ours) == 1:
        body = exact_json.dumps(ours[0]).encode()
        reference, version = f"{PROVENANCE}/{ours[0]['id']}", version_of(ours[0])
        return ProbeResult(verdict=ProbeVerdict.APPLIED, reference=reference, version=version, body=body)
    if ours:
        return _cannot_tell(f"{len(ours)} carry our mark")
    recorded = instant(exact_json.parse(operation.body)["recorded"])
    if any(instant(item.get("recorded")) == recorded for item in found):
        return _cannot_tell("one of the same moment is there without our mark")
    return ProbeResult(verdict=ProbeVerdict.NOT_APPLIED, detail="nothing carries our mark")


def _went_by_target(answer: Answer) -> bool:
    """Whether a result is, as far as it tells, one of a search by target."""
    links = (json_object(answer.body) or {}).get("link", [])
    own = [str(link.get("url")) for link in links if link.get("relation") == "self"]
    return all("target" in url for url in own)


def _marks(resource: Mapping[str, Any]) -> set[str]:
    found = [item.get("what", {}).get("identifier", {}) for item in resource.get("entity", [])]
    return {f"{item.get('system')}|{item.get('value')}" for item in found}


def _cannot_tell(detail: str) -> ProbeResult:
    return ProbeResult(verdict=ProbeVerdict.CANNOT_TELL, detail=detail)
