"""The conditional headers of FHIR REST and what they demand of a version; not the writing.

Source: https://hl7.org/fhir/R4/http.html#concurrency and #ccreate
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from sandbox.answers import Refusal, etag
from sandbox.chart import Chart, StoredVersion
from sandbox.search import parse_search
from sandbox.settings import Behaviour

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')


def entity_tags(header: str) -> list[str] | None:
    """Version ids of an If-Match or If-None-Match header; None for `*`.

    Raises:
        Refusal: 400, it is neither `*` nor quoted tags.
    """
    if header.strip() == "*":
        return None
    parts = [part.strip() for part in header.split(",")]
    tags = [_ENTITY_TAG.fullmatch(part) for part in parts]
    if not all(tags):
        raise Refusal(400, "invalid", 'An entity tag is written W/"…".')
    return [tag[1] for tag in tags if tag]


def check_if_match(headers: Mapping[str, str], current: StoredVersion | None, behaviour: Behaviour) -> None:
    """Hold an update or a deletion to the version its author saw.

    Raises:
        Refusal: 400 when the header is demanded and missing; 404 or 410 when there is nothing it could match;
            412 (or 409, by setting) when the version is another one.
    """
    header = headers.get("if-match")
    if header is None:
        if behaviour.missing_if_match == "reject":
            raise Refusal(400, "required", "If-Match is required: name the version this change was made on.")
        return
    tags = entity_tags(header)
    if current is None:
        raise Refusal(404, "not-found", "There is no such resource.")
    if current.deleted:
        raise Refusal(410, "deleted", "The resource was deleted.")
    if tags is not None and current.version not in tags:
        raise Refusal(
            behaviour.stale_status,
            "conflict",
            "The resource has changed since the version in If-Match; read it again.",
            headers={"ETag": etag(current.version)},
        )


def is_not_modified(headers: Mapping[str, str], current: StoredVersion) -> bool:
    """Whether If-None-Match names this version, so that a read need not send it again."""
    header = headers.get("if-none-match")
    if header is None:
        return False
    tags = entity_tags(header)
    return tags is None or current.version in tags


def match_of_condition(
    type: str, headers: Mapping[str, str], chart: Chart, behaviour: Behaviour, *, as_of: float | None = None
) -> StoredVersion | None:
    """The one resource that If-None-Exist finds; None when it finds none or is not honoured.

    Raises:
        Refusal: 400 when the condition cannot be understood; 412 when it finds several.
    """
    condition = headers.get("if-none-exist")
    if condition is None or behaviour.if_none_exist == "ignore":
        return None
    pairs = parse_qsl(condition.strip().removeprefix("?"), keep_blank_values=True)
    criteria = [(name, value) for name, value in pairs if name not in {"_count", "_sort"}]
    search = parse_search(type, criteria, behaviour=behaviour, base=chart.base, strict=True)
    if not search.clauses:
        raise Refusal(400, "invalid", "If-None-Exist holds no search parameter.")
    total, found = search.run(chart, as_of=as_of)
    if total > 1:
        raise Refusal(412, "multiple-matches", "If-None-Exist finds several resources.")
    return found[0] if found else None
