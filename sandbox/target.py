"""What a method and a path of the FHIR interface ask for; not whether it may be had.

Source: https://hl7.org/fhir/R4/http.html
"""

import re
from typing import Any

from sandbox.answers import Refusal
from sandbox.call import Interaction
from sandbox.resource_types import RESOURCE_TYPES

_ID = r"[A-Za-z0-9\-.]{1,64}"
_PATH = re.compile(
    rf"/fhir/(?P<type>[A-Z][A-Za-z]*)"
    rf"(?:/(?:(?P<form>_search)|(?P<id>{_ID})(?:/(?P<history>_history)(?:/(?P<version>{_ID}))?)?))?/?"
)
#: What each shape of path can be asked.
_ON_BASE = {"POST": Interaction.TRANSACTION}
_ON_TYPE = {"GET": Interaction.SEARCH, "POST": Interaction.CREATE}
_ON_FORM = {"POST": Interaction.SEARCH}
_ON_INSTANCE = {
    "GET": Interaction.READ,
    "PUT": Interaction.UPDATE,
    "PATCH": Interaction.PATCH,
    "DELETE": Interaction.DELETE,
}
_ON_HISTORY = {"GET": Interaction.HISTORY}
_ON_VERSION = {"GET": Interaction.VREAD}
_ON_METADATA = {"GET": Interaction.CAPABILITIES}


def target_of(method: str, path: str) -> dict[str, Any]:
    """Interaction, type, id and version, as members of a Call.

    Raises:
        Refusal: 404, there is no such type; 405, not this method here.
    """
    if path == "/fhir/metadata":
        return {"interaction": _asked(method, _ON_METADATA)}
    if path.rstrip("/") == "/fhir":
        return {"interaction": _asked(method, _ON_BASE)}
    found = _PATH.fullmatch(path)
    if found is None or found["type"] not in RESOURCE_TYPES:
        raise Refusal(404, "not-supported", "This server keeps no such type; see /fhir/metadata.")
    return {
        "interaction": _asked(method, _verbs(found)),
        "type": found["type"],
        "id": found["id"] or "",
        "version": found["version"] or "",
    }


def _verbs(found: re.Match[str]) -> dict[str, Interaction]:
    if found["version"]:
        return _ON_VERSION
    if found["history"]:
        return _ON_HISTORY
    if found["id"]:
        return _ON_INSTANCE
    return _ON_FORM if found["form"] else _ON_TYPE


def _asked(method: str, verbs: dict[str, Interaction]) -> Interaction:
    if method not in verbs:
        allowed = ", ".join(verbs)
        raise Refusal(405, "not-supported", f"Only {allowed} is possible here.", headers={"Allow": allowed})
    return verbs[method]
