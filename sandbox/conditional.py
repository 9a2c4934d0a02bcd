"""The conditional headers of FHIR REST and what they demand of a version; not the writing.

Source: https://hl7.org/fhir/R4/http.html#concurrency and #ccreate; RFC 9110 for If-Unmodified-Since.
"""

import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from sandbox.answers import Refusal, etag
from sandbox.chart import StoredVersion
from sandbox.personality import Situation
from sandbox.search import parse_search

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_WEAK_TAG = re.compile(r'W/"([^"]*)"')
_BARE_TOO = re.compile(r'(?:W/)?"?([^",\s]+)"?')


def entity_tags(header: str, form: re.Pattern[str] = _ENTITY_TAG) -> list[str] | None:
    """Version ids of an If-Match or If-None-Match header; None for `*`.

    Raises:
        Refusal: 400, it is neither `*` nor tags of that form.
    """
    if header.strip() == "*":
        return None
    tags = [form.fullmatch(part.strip()) for part in header.split(",")]
    if not all(tags):
        raise Refusal(400, "invalid", 'An entity tag is written W/"…".')
    return [tag[1] for tag in tags if tag]


def check_precondition(at: Situation, current: StoredVersion | None) -> None:
    """Hold an update, a patch or a deletion to the version its author saw.

    Raises:
        Refusal: 400 (or 412, by setting) when the header is demanded and missing; 404 or 410 when there is nothing it
            could match; 412 (or 409, by setting) when the version is another one.
    """
    name = at.behaviour.precondition
    if name == "none":
        return
    header = at.call.headers.get(name)
    if header is None:
        _check_may_be_missing(at)
        return
    if name == "if-match" and _is_overlooked(at, header):
        return
    matches = _matcher(at, header)
    if current is None:
        raise Refusal(404, "not-found", "There is no such resource.")
    if current.deleted:
        raise Refusal(410, "deleted", "The resource was deleted.")
    if not matches(current):
        raise Refusal(
            at.behaviour.stale_status,
            "conflict",
            "The resource has changed since its author saw it; read it again.",
            headers={"ETag": etag(current.version)} if at.behaviour.etags else {},
        )


def _check_may_be_missing(at: Situation) -> None:
    types = at.behaviour.missing_if_match_types
    if at.behaviour.missing_if_match == "reject" and (not types or at.call.type in types):
        status = at.behaviour.missing_if_match_status
        raise Refusal(status, "required", "Name the version that this change was made on.")


def _is_overlooked(at: Situation, header: str) -> bool:
    return at.behaviour.entity_tags == "quoted-or-ignored" and not _ENTITY_TAG.search(header)


def _matcher(at: Situation, header: str) -> Callable[[StoredVersion], bool]:
    if at.behaviour.precondition == "if-unmodified-since":
        return lambda current: _unmodified_since(header, current)
    forms = {"bare-too": _BARE_TOO, "weak": _WEAK_TAG}
    tags = entity_tags(header, forms.get(at.behaviour.entity_tags, _ENTITY_TAG))
    return lambda current: tags is None or current.version in tags


def _unmodified_since(header: str, current: StoredVersion) -> bool:
    try:
        seconds = parsedate_to_datetime(header).timestamp()
    except ValueError:
        # RFC 9110: a date that cannot be read is no precondition.
        return True
    # The header has whole seconds, so a change within the same one is not seen.
    return int(current.stored_at) <= seconds


def is_locked(at: Situation, type: str, id: str) -> bool:
    """Whether somebody else is working on an entry."""
    return (
        at.chart.connection.execute(
            "SELECT 1 FROM locks WHERE type = ? AND id = ? AND until > ?", (type, id, at.call.now)
        ).fetchone()
        is not None
    )


def check_not_locked(at: Situation) -> None:
    """Raises Refusal where somebody else is working on the resource."""
    if is_locked(at, at.call.type, at.call.id):
        raise Refusal(at.behaviour.lock_status, "lock-error", "Somebody else is working on this; try again later.")


def is_not_modified(headers: Mapping[str, str], current: StoredVersion) -> bool:
    """Whether If-None-Match names this version, so that a read need not send it again."""
    header = headers.get("if-none-match")
    if header is None:
        return False
    tags = entity_tags(header)
    return tags is None or current.version in tags


def match_of_condition(at: Situation) -> StoredVersion | None:
    """The one resource that If-None-Exist finds; None when it finds none or is not honoured.

    Raises:
        Refusal: 400 when the condition cannot be understood; 412 when it finds several or is not known here.
    """
    condition = at.call.headers.get("if-none-exist")
    if condition is None or at.behaviour.if_none_exist == "ignore":
        return None
    if at.behaviour.if_none_exist == "reject":
        raise Refusal(412, "not-supported", "This server knows no If-None-Exist.")
    pairs = parse_qsl(condition.strip().removeprefix("?"), keep_blank_values=True)
    criteria = [(name, value) for name, value in pairs if name not in {"_count", "_sort"}]
    search = parse_search(at.call.type, criteria, behaviour=at.behaviour, base=at.chart.base, strict=True)
    if not search.clauses:
        raise Refusal(400, "invalid", "If-None-Exist holds no search parameter.")
    total, found = search.run(at.chart, as_of=at.call.as_of)
    if total > 1:
        raise Refusal(412, "multiple-matches", "If-None-Exist finds several resources.")
    return found[0] if found else None
