"""The report after an incident as one page that stands alone: to be read, folded out and printed; it asks nothing of anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_SIDES = {"log": "Our log", "chart": "The chart", "audit": "People and alarms"}


def page_of(document: dict[str, Any]) -> str:
    """Return the page of a report; ``document`` is :func:`cli.incident_document.document_of`'s."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = _clock
    template = environment.get_template("incident.html")
    return template.render(report=document, sides=_SIDES) + "\n"


def _clock(instant: str | None) -> str:
    """Return an instant of the document as the page shows it."""
    return instant.replace("T", " ").replace("Z", "") if instant is not None else "time not told"
