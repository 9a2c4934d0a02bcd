"""Whether a body is a resource this EHR takes; not whether a client may write it.

The definitions are those of `fhir.resources` (R4B, the same as R4 in the elements of these types); required
bindings and number types, which it leaves open, are checked here.
"""

from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from sandbox import written_json
from sandbox.answers import Refusal
from sandbox.chart import Chart
from sandbox.references import local_reference, reference_text
from sandbox.resource_types import RESOURCE_TYPES

_JSON_TYPES = frozenset({"application/fhir+json", "application/json", "text/json"})
JSON_PATCH = frozenset({"application/json-patch+json"})


def check_content_type(content_type: str | None, wanted: frozenset[str] = _JSON_TYPES) -> None:
    """Raises Refusal 415 for a body that does not call itself one of `wanted`, in UTF-8."""
    media, *parameters = [part.strip().lower() for part in (content_type or "").split(";")]
    if media not in wanted:
        raise Refusal(415, "not-supported", f"Send {min(wanted)}.")
    charsets = [parameter.partition("=")[2].strip('"') for parameter in parameters if parameter.startswith("charset=")]
    if any(charset not in {"utf-8", "utf8"} for charset in charsets):
        raise Refusal(415, "not-supported", "Send UTF-8.")


def parse_resource(body: bytes, *, type: str, id: str | None = None) -> dict[str, Any]:
    """The resource in a request body.

    Args:
        body: the request's bytes.
        type: resource type the URL names.
        id: for an update, the id the URL names.

    Raises:
        Refusal: 400, no JSON object, another type, or another id.
    """
    try:
        resource = written_json.loads(body)
    except written_json.MalformedJson as error:
        raise Refusal(400, "structure", str(error)) from None
    if not isinstance(resource, dict):
        raise Refusal(400, "structure", "The body is not a JSON object.")
    if resource.get("resourceType") != type:
        raise Refusal(400, "invalid", f"resourceType is not {type}.", expression="resourceType")
    if id is not None and resource.get("id") != id:
        raise Refusal(400, "invalid", "The resource's id is not the one in the URL.", expression=f"{type}.id")
    return resource


def check_resource(resource: dict[str, Any], *, status: int) -> None:
    """Check a resource against its definition.

    Raises:
        Refusal: `status`, with the element that breaks it and never its value.
    """
    name = resource["resourceType"]
    try:
        get_fhir_model_class(name).model_validate(resource)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        path = ".".join([name, *(str(part) for part in first["loc"])])
        code = "required" if first["type"].endswith("missing") else "structure"
        # A message of the validator may quote the value; its kind does not.
        raise Refusal(status, code, f"{path}: {first['type']}.", expression=path) from None
    _check_bindings(name, resource, status)
    _check_numbers(resource, name, status)


def _check_bindings(type: str, resource: dict[str, Any], status: int) -> None:
    for element, codes in RESOURCE_TYPES[type].bindings.items():
        if element in resource and resource[element] not in codes:
            path = f"{type}.{element}"
            raise Refusal(status, "code-invalid", f"{path} is not one of {', '.join(sorted(codes))}.", expression=path)


def _check_numbers(element: Any, path: str, status: int) -> None:
    if isinstance(element, list):
        for item in element:
            _check_numbers(item, path, status)
    elif isinstance(element, dict):
        for name, child in element.items():
            if path.endswith("Quantity") and name == "value" and isinstance(child, str | bool):
                raise Refusal(status, "value", f"{path}.value is not a number.", expression=f"{path}.value")
            _check_numbers(child, f"{path}.{name}", status)


def check_references(resource: dict[str, Any], chart: Chart) -> None:
    """Check that subject and encounter are in the chart, and that the encounter is the subject's.

    Raises:
        Refusal: 422, one of them is not.
    """
    rules = RESOURCE_TYPES[resource["resourceType"]]
    subject = _check_present(resource, rules.subject, chart)
    encounter = _check_present(resource, rules.encounter, chart)
    if subject and encounter and encounter[0] == "Encounter":
        stored = chart.current(*encounter)
        owner = reference_text(written_json.loads(stored.body).get("subject")) if stored else None
        if owner is not None and local_reference(owner, chart.base) != subject:
            path = f"{resource['resourceType']}.{rules.encounter}"
            raise Refusal(422, "business-rule", f"{path} is another patient's.", expression=path)


def _check_present(resource: dict[str, Any], element: str | None, chart: Chart) -> tuple[str, str] | None:
    text = reference_text(resource.get(element)) if element else None
    if text is None or text.startswith("#"):
        return None
    target = local_reference(text, chart.base)
    found = chart.current(*target) if target else None
    if found is None or found.deleted:
        path = f"{resource['resourceType']}.{element}"
        raise Refusal(422, "not-found", f"{path} is not in this chart.", expression=path)
    return target
