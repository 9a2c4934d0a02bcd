"""A clinical note as a document of Canvas Medical: a PDF that one of its people reviews. Not a note that it writes itself.

Options of a connection: ``note_reviewer`` (``Practitioner/…`` or ``Group/…``, required): who is given the document.

Source: canvas-medical/documentation, ``collections/_api/documentreference.md``, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.accepted import code_in, outside_encounter, taken
from adapters.r4 import document_reference
from adapters.r4.change import Change
from adapters.r4.components import LOINC
from adapters.r4.normalisation import Normalisation, added
from canonical.errors import UnsupportedActionError
from canonical.ports import Resource

SOURCE = "canvas-medical/documentation, collections/_api/documentreference.md"
_OWN = "http://schemas.canvasmedical.com/fhir/document-reference-"
#: LOINC codes of clinical documents that a create may have.
TYPES = frozenset(
    {
        *("91983-7", "96335-5", "11503-0", "75503-3", "34105-7", "47039-3", "34113-1", "11504-8", "51848-0"),
        *("34823-5", "34109-9"),
    }
)
_FIELDS = ("docType", "title", "attachment", "date", "author", "docStatus")


def document(change: Change) -> Resource:
    """Build the document of a note that is a PDF, dated by the day it was written on; a draft is left to be signed."""
    if change.parts:
        raise UnsupportedActionError("this EHR takes a document without readings that belong to it: send them alone")
    resource = document_reference.create(taken(outside_encounter(change), _FIELDS))
    attachment = resource["content"][0]["attachment"]
    code = code_in(resource["type"], LOINC)
    if attachment.get("contentType") != "application/pdf" or code not in TYPES:
        raise UnsupportedActionError("this EHR takes a note as a PDF of one of its kinds of clinical documents")
    own = {"system": f"{_OWN}category", "code": "uncategorizedclinicaldocument"}
    return {
        **{name: resource[name] for name in ("resourceType", "status", "subject", "description") if name in resource},
        "extension": _extensions(change),
        "type": {"coding": [{"system": LOINC, "code": code}]},
        "category": [{"coding": [own]}],
        "author": _authors(resource),
        "content": [{"attachment": {name: attachment[name] for name in ("contentType", "data")}}],
    }


def _authors(resource: Resource) -> list[Any]:
    authors: list[Any] = resource.get("author", [])
    if len(authors) != 1 or not str(authors[0].get("reference", "")).startswith("Practitioner/"):
        raise UnsupportedActionError("this EHR takes a document of one practitioner")
    return authors


def _extensions(change: Change) -> list[dict[str, Any]]:
    reviewer = str(change.site.options.get("note_reviewer", ""))
    kind = {"Practitioner": "reviewer", "Group": "reviewer-group"}.get(reviewer.partition("/")[0])
    if kind is None:
        raise UnsupportedActionError("the connection does not declare note_reviewer, who is given the document")
    return [
        {"url": f"{_OWN}clinical-date", "valueDate": str(change.content["date"])[:10]},
        {"url": f"{_OWN}{kind}", "valueReference": {"reference": reviewer}},
        {"url": f"{_OWN}requires-signature", "valueBoolean": change.content["docStatus"] != "final"},
    ]


def _has_extensions(sent: Resource, stored: Resource) -> bool:
    here = [_plain(item) for item in stored.get("extension", [])]
    return all(_plain(item) in here for item in sent["extension"])


def _plain(extension: Mapping[str, Any]) -> tuple[Any, ...]:
    reference = extension.get("valueReference", {}).get("reference")
    return extension.get("url"), extension.get("valueDate"), extension.get("valueBoolean"), reference


def _is_linked(sent: Resource, stored: Resource) -> bool:
    """The bytes are behind a link of the EHR's own: that they are there and of which kind is all that a read tells."""
    (one,) = sent["content"]
    others = stored.get("content", [])
    found = others[0].get("attachment", {}) if len(others) == 1 else {}
    return found.get("contentType") == one["attachment"]["contentType"] and bool(found.get("url"))


def _has_category(sent: Resource, stored: Resource) -> bool:
    def codes(resource: Resource) -> set[Any]:
        return {item.get("code") for concept in resource.get("category", []) for item in concept.get("coding", [])}

    return codes(sent) <= codes(stored)


def _change(element: str, what: str, same: Any, *also: str) -> Normalisation:
    return Normalisation(
        resource_type="DocumentReference", element=element, what=what, source=SOURCE, same=same, also=also
    )


NORMALISATIONS = (
    _change("content", "given back by a link of its own, not by its bytes", _is_linked, "attachment"),
    _change("extension", "more of its own beside those that were sent", _has_extensions),
    _change("category", "clinical-note beside its own", _has_category),
    added("DocumentReference", "date", what="when it was written", source=SOURCE),
    added("DocumentReference", "custodian", what="the organization", source=SOURCE),
    added("DocumentReference", "identifier", what="its own", source=SOURCE),
    added("DocumentReference", "context", what="of the note it is put in", source=SOURCE),
)
