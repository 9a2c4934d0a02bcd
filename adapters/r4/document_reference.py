"""``ClinicalNote`` as an R4 DocumentReference, told once for writing and reading: the bytes of a note as they were written.

R4 has no element that says whether the patient may see a note at once. To withhold one is asked of the EHR by HL7's label
``NOPAT`` where the connection declares where it looks for it; elsewhere a person decides, and nothing is sent.

Source: HL7 FHIR R4 (4.0.1) DocumentReference; HL7 v3 ActCode ``NOPAT``; US Core, clinical notes guidance.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.r4.change import Change, Handler, Revision, copy_of_current, new_resource, refuse_besides, write_fields
from adapters.r4.fields import EXTENSION_BASE, Field, agree, extension, extension_value, plain, put
from adapters.r4.references import reference_of
from canonical.attachment import PLAIN_TEXT, hash_of
from canonical.errors import NeedsPersonError
from canonical.ports import Resource

#: Option of a connection: where the EHR looks for the label that keeps a note from the patient.
RELEASES_NOTES_BY = "releases_notes_by"
#: Option of a connection whose EHR marks a note as superseded by itself when another one replaces it.
SUPERSEDES = "supersedes_replaced_notes"
NOT_FOR_PATIENT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}
SIGNED = frozenset({"final", "amended"})
#: Statuses of a note that can still be marked as an error.
RETRACTABLE = frozenset({"current", "superseded"})


def _attachment(resource: Resource) -> Mapping[str, Any]:
    entries = resource.get("content", [])
    found = entries[0].get("attachment") if len(entries) == 1 else None
    return found if isinstance(found, Mapping) else {}


def _read_content(resource: Resource) -> Any:
    attachment = _attachment(resource)
    if str(attachment.get("contentType")).lower().replace("; ", ";") not in {
        kind.replace("; ", ";") for kind in PLAIN_TEXT
    }:
        return None
    try:
        return base64.b64decode(str(attachment.get("data")), validate=True).decode("utf-8")
    except ValueError:
        return None


def _write_content(resource: Resource, value: Any) -> None:
    octets = value.encode("utf-8")
    attachment = {
        "contentType": "text/plain; charset=utf-8",
        "data": base64.b64encode(octets).decode(),
        "size": len(octets),
        "hash": hash_of(octets),
    }
    put(resource, "content", [{"attachment": attachment}])


def _read_attachment(resource: Resource) -> Any:
    """Plain text is a note's content, however it was sent."""
    return dict(_attachment(resource)) if _read_content(resource) is None else None


def _write_attachment(resource: Resource, value: Any) -> None:
    put(resource, "content", [{"attachment": value}])


def _context(name: str, field: str) -> Field:
    """A field that stands in ``context``."""

    def write(resource: Resource, value: Any) -> None:
        context = dict(resource.get("context", {}))
        put(context, name, value)
        put(resource, "context", context or None)

    return Field(name=field, read=lambda resource: resource.get("context", {}).get(name), write=write)


_ENCOUNTER = _context("encounter", "encounter")
_RELATED = _context("related", "related")
#: Every field of ``ClinicalNote`` that stands in the document itself; its readings are entries of their own.
FIELDS: tuple[Field, ...] = (
    plain("docType", "type"),
    plain("category"),
    plain("title", "description"),
    Field(name="content", read=_read_content, write=_write_content),
    Field(name="attachment", read=_read_attachment, write=_write_attachment),
    plain("date"),
    _context("period", "period"),
    plain("author"),
    plain("docStatus"),
    plain("authenticator"),
    extension("release", "valueCode"),
    extension("releaseReason", "valueString"),
    plain("relatesTo"),
    extension("retractReason", "valueString"),
)


def create(change: Change) -> Resource:
    """Build the DocumentReference of a new note. Raises :class:`NeedsPersonError` ``note_release``: send nothing."""
    resource = new_resource("DocumentReference", change, status="current")
    if change.author is not None:
        put(resource, "author", [change.author])
    write_fields(resource, FIELDS, change.content)
    if change.encounter is not None:
        _ENCOUNTER.write(resource, [change.encounter])
    _RELATED.write(resource, [{"reference": urn} for urn in change.parts])
    _withhold(resource, change)
    return resource


def _withhold(resource: Resource, change: Change) -> None:
    if change.content.get("release") != "withheld":
        return
    label = {"coding": [NOT_FOR_PATIENT], "text": change.content["releaseReason"]}
    by = change.site.options.get(RELEASES_NOTES_BY)
    if by == "securityLabel":
        put(resource, "securityLabel", [label])
    elif by == "meta.security":
        meta = dict(resource.get("meta", {}))
        resource["meta"] = meta | {"security": [*meta.get("security", []), NOT_FOR_PATIENT]}
    else:
        detail = "The connection does not declare how its EHR is told to keep a note from the patient."
        raise NeedsPersonError("note_release", detail)


def _is_withheld(resource: Resource) -> bool:
    labels = [*resource.get("meta", {}).get("security", [])]
    labels += [coding for label in resource.get("securityLabel", []) for coding in label.get("coding", [])]
    said = extension_value(resource, f"{EXTENSION_BASE}release", "valueCode")
    return said == "withheld" or any(label.get("code") == NOT_FOR_PATIENT["code"] for label in labels)


def _referring(change: Change, code: str) -> Resource:
    """Build a note that refers to the target: of its encounter, and not released where the target is withheld.

    Raises :class:`NeedsPersonError` ``other_encounter`` or ``note_release``: send nothing.
    """
    target = change.current or {}
    if _is_withheld(target) and "release" not in change.content:
        detail = "The note is kept from the patient, and it is not said whether this may be seen."
        raise NeedsPersonError("note_release", detail)
    resource = create(change)
    base = change.site.base_url
    known, own = ([reference_of(item, base) for item in _ENCOUNTER.read(note) or []] for note in (target, resource))
    if own and known and own != known:
        raise NeedsPersonError("other_encounter", "The note belongs to another encounter than the command names.")
    if known and not own:
        _ENCOUNTER.write(resource, [{"reference": reference} for reference in known])
    relation = {"code": code, "target": {"reference": f"DocumentReference/{target['id']}"}}
    put(resource, "relatesTo", [relation, *resource.get("relatesTo", [])])
    return resource


def _check_current(change: Change, allowed: frozenset[str]) -> str | None:
    """Return whether the target is signed (``docStatus``), if it still counts and is of the kind that the action names."""
    note = change.current or {}
    if note.get("status") not in allowed or note.get("docStatus") == "entered-in-error":
        raise NeedsPersonError("status_ended", "The note was replaced or marked as an error.")
    state = note.get("docStatus")
    return state if isinstance(state, str) else None


def _check_kind(change: Change) -> None:
    named, here = change.content.get("docType"), (change.current or {}).get("type")
    if named is not None and not agree(named, here):
        raise NeedsPersonError("other_note", "The target is another kind of note than the action names.")


_CURRENT = frozenset({"current"})


def addendum(change: Change) -> Resource:
    """Build a note that adds to a signed one, which stays as it is.

    Raises :class:`NeedsPersonError` ``note_unsigned``, ``note_state_unknown`` or ``status_ended``, and as
    :func:`_referring`: send nothing.
    """
    state = _check_current(change, _CURRENT)
    if state is None:
        raise NeedsPersonError("note_state_unknown", "The chart does not say whether the note is signed.")
    if state not in SIGNED:
        raise NeedsPersonError("note_unsigned", "The note is a draft: it is replaced, not added to.")
    return _referring(change, "appends")


def replace(change: Change) -> Resource:
    """Build a note in place of a draft; what is signed is never replaced.

    Raises :class:`NeedsPersonError` ``note_signed``, ``note_state_unknown``, ``status_ended`` or ``other_note``, and as
    :func:`_referring`: send nothing.
    """
    state = _check_current(change, _CURRENT)
    if state is None:
        raise NeedsPersonError("note_state_unknown", "The chart does not say whether the note is signed.")
    if state != "preliminary":
        raise NeedsPersonError("note_signed", "The note is signed: say more in an addendum, or take it back.")
    _check_kind(change)
    return _referring(change, "replaces")


def superseded(change: Change) -> Sequence[Revision]:
    """Return the replaced draft as superseded, where the EHR does not see to that itself."""
    if change.site.options.get(SUPERSEDES) is True:
        return ()
    before = change.current or {}
    return (Revision(before=before, after={**copy_of_current(change), "status": "superseded"}),)


def retract(change: Change) -> Resource:
    """Build the target as entered in error, its content unchanged and the reason with it.

    Raises :class:`NeedsPersonError` ``status_ended`` or ``other_note``: send nothing.
    """
    refuse_besides(change, ("docType", "retractReason"))
    _check_current(change, RETRACTABLE)
    _check_kind(change)
    resource = copy_of_current(change)
    resource["status"] = "entered-in-error"
    if "docStatus" in resource:
        put(resource, "docStatus", "entered-in-error")
    write_fields(resource, FIELDS, {"retractReason": change.content.get("retractReason")})
    return resource


def _handler(**more: Any) -> Handler:
    return Handler(resource_type="DocumentReference", **more)


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("ClinicalNote", "create"): _handler(build=create, creates=True),
    ("ClinicalNote", "addendum"): _handler(build=addendum, creates=True),
    ("ClinicalNote", "replace"): _handler(build=replace, creates=True, entails=superseded),
    ("ClinicalNote", "retract"): _handler(build=retract),
}
