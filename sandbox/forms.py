"""Form posts of EHRs that speak no FHIR: fields, dates as MM/DD/YYYY, JSON inside; not what the fields mean."""

import re
from typing import Any
from urllib.parse import parse_qsl

from sandbox import written_json
from sandbox.answers import Refusal
from sandbox.call import Call

_DATE = re.compile(r"(\d{2})/(\d{2})/(\d{4})")
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2}).*")


def form_of(call: Call) -> dict[str, str]:
    """The fields of a posted form, by lower-cased name.

    Raises:
        Refusal: 400, the body is no form, or names a field twice.
    """
    content_type = call.headers.get("content-type", "").partition(";")[0].strip()
    if content_type != "application/x-www-form-urlencoded":
        raise Refusal(400, "structure", "The body must be application/x-www-form-urlencoded.")
    try:
        pairs = parse_qsl(call.body.decode("utf-8"), keep_blank_values=True)
    except UnicodeDecodeError:
        raise Refusal(400, "structure", "The form is not UTF-8.") from None
    form = {name.lower(): value for name, value in pairs}
    if len(form) != len(pairs):
        raise Refusal(400, "structure", "A field is given twice.")
    return form


def required(form: dict[str, str], *names: str) -> list[str]:
    """The values of fields that must be there.

    Raises:
        Refusal: 400, with the names that are missing.
    """
    missing = [name for name in names if not form.get(name)]
    if missing:
        raise Refusal(400, "required", f"Additional fields are required: {', '.join(missing)}.")
    return [form[name] for name in names]


def json_list(form: dict[str, str], name: str) -> list[Any]:
    """The JSON list in a field.

    Raises:
        Refusal: 400, there is none.
    """
    (text,) = required(form, name)
    try:
        found = written_json.loads(text)
    except written_json.MalformedJson:
        found = None
    if not isinstance(found, list):
        raise Refusal(400, "structure", f"{name} must be a JSON list.")
    return found


def iso_date(text: str) -> str:
    """A FHIR date of MM/DD/YYYY.

    Raises:
        Refusal: 400, it is written otherwise.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise Refusal(400, "value", "A date is written MM/DD/YYYY.")
    month, day, year = found.groups()
    return f"{year}-{month}-{day}"


def form_date(text: str) -> str:
    """MM/DD/YYYY of a FHIR date or dateTime; partial dates as they are."""
    found = _ISO.fullmatch(text)
    return f"{found[2]}/{found[3]}/{found[1]}" if found else text
