"""A vaccination as Millennium takes one: given, of an encounter, on a day. Which elements it has a place for, and no others.

Without an encounter Millennium only stages it for its staff, so it is not sent then. Its changes are not made from here: an
update clears what it leaves out, and may not say that the record is from whoever gave the dose.

Source: cerner/fhir.cerner.com content/millennium/r4/clinical/medications/immunization.md, lib/resources/r4/immunization.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.accepted import taken
from adapters.r4 import immunization
from adapters.r4.adapter import View
from adapters.r4.change import Change, Handler
from adapters.r4.normalisation import Normalisation, added, codings_added
from canonical.capabilities import Interaction, Meaning, Write
from canonical.clinical_time import ClinicalTime
from canonical.errors import UnsupportedActionError
from canonical.ports import Resource

_DOCS = "cerner/fhir.cerner.com content/millennium/r4/clinical/medications/immunization.md"
_FIELDS = (
    *("vaccineCode", "occurrenceDateTime", "primarySource", "reportOrigin", "manufacturer", "lotNumber"),
    *("expirationDate", "site", "route", "doseQuantity", "performer", "note"),
)


def given(change: Change) -> Resource:
    """Build the Immunization of a dose that was given.

    Raises :class:`UnsupportedActionError` where it would be staged, or its day is not known.
    """
    if change.encounter is None:
        raise UnsupportedActionError("this EHR charts a vaccination of an encounter; without one it only stages it")
    when = change.content.get("occurrenceDateTime")
    if when is None or not ClinicalTime(when).is_full_date:
        raise UnsupportedActionError("this EHR takes a vaccination with its day")
    return immunization.record(taken(change, _FIELDS))


HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("ImmunizationRecord", "record"): Handler(resource_type=immunization.TYPE, build=given, creates=True),
}
VIEWS = {immunization.TYPE: View(fields=immunization.FIELDS, encounter="encounter")}
WRITES = {
    (immunization.TYPE, Interaction.CREATE): Write(
        meaning=Meaning.CREATES,
        answer="201, Content-Length: 0, absolute Location without _history, ETag",
        source=_DOCS,
    ),
}
WHY_NOT: Mapping[str, str] = {
    "recordNotDone": "Millennium documents how a dose that was given is written, and not how one that was not is.",
    **dict.fromkeys(
        ("correct", "retract"),
        "Millennium's update of a vaccination clears what it leaves out, and not all of one can be sent: it is changed in "
        "Millennium by hand.",
    ),
}
NORMALISATIONS: tuple[Normalisation, ...] = (
    *(
        codings_added(immunization.TYPE, element, what="its own coding is added", source=_DOCS)
        for element in ("vaccineCode", "reportOrigin", "site", "route")
    ),
    added(immunization.TYPE, "location", what="filled by the EHR", source=_DOCS),
)
