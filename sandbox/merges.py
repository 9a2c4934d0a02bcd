"""Registrars merge two records of one person, or part them again; what clients may write is elsewhere."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox import written_json
from sandbox.answers import Refusal
from sandbox.chart import Chart, StoredVersion

_Patient = Annotated[str, Field(pattern=r"^Patient/[A-Za-z0-9\-.]{1,64}$")]


class Merge(BaseModel):
    """`patient` goes into `into`, and its entries with it unless they are to stay; without `into` it is parted again.

    Of a record that is parted, no entry comes back by itself: people sort that out.
    """

    model_config = ConfigDict(extra="forbid")

    patient: _Patient
    into: _Patient | None = None
    moves_entries: bool = True


def merge(chart: Chart, asked: Merge, at: float) -> None:
    """Merge or part, at a time in seconds since 1970.

    Raises:
        Refusal: 404, a record is not there.
    """
    old = _record(chart, asked.patient)
    links = [link for link in old.get("link", []) if link.get("type") != "replaced-by"]
    if asked.into is None:
        _store(chart, _linked({**old, "active": True}, links), at)
        return
    survivor = _record(chart, asked.into)
    _store(chart, {**old, "active": False, "link": [*links, _link(asked.into, "replaced-by")]}, at)
    if asked.into != asked.patient:
        _store(chart, {**survivor, "link": [*survivor.get("link", []), _link(asked.patient, "replaces")]}, at)
    for entry in chart.resources(None) if asked.moves_entries else []:
        _move(chart, entry, asked.patient, asked.into, at)


def _record(chart: Chart, reference: str) -> dict[str, Any]:
    current = chart.current(*reference.split("/"))
    if current is None or current.deleted:
        raise Refusal(404, "not-found", f"{reference} is not in the chart.")
    found: dict[str, Any] = written_json.loads(current.body)
    return found


def _link(reference: str, kind: str) -> dict[str, Any]:
    return {"other": {"reference": reference}, "type": kind}


def _linked(record: dict[str, Any], links: list[dict[str, Any]]) -> dict[str, Any]:
    rest = {name: value for name, value in record.items() if name != "link"}
    return {**rest, "link": links} if links else rest


def _move(chart: Chart, entry: StoredVersion, patient: str, into: str, at: float) -> None:
    if entry.type == "Patient":
        return
    body = written_json.loads(entry.body)
    moved = _renamed(body, patient, into)
    if moved != body:
        _store(chart, moved, at)


def _renamed(element: Any, patient: str, into: str) -> Any:
    if isinstance(element, list):
        return [_renamed(item, patient, into) for item in element]
    if not isinstance(element, dict):
        return element
    changed = {name: _renamed(child, patient, into) for name, child in element.items()}
    return {**changed, "reference": into} if changed.get("reference") == patient else changed


def _store(chart: Chart, resource: dict[str, Any], at: float) -> None:
    chart.store(resource, id=resource["id"], at=at, source="registrar")
