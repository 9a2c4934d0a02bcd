"""`writeback incident`: what our record, the chart and the audit say of a window of time, and where they first came apart."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CannotDo
from cli.here import settings_here
from cli.terminal import say

if TYPE_CHECKING:
    from canonical.incident.report import Incident, JudgedCommand

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


class Format(StrEnum):
    """In which form the report is written."""

    HTML = "html"
    JSON = "json"


def incident(
    since: Annotated[datetime, typer.Option("--from", formats=_FORMATS, help="Since then (UTC).")],
    until: Annotated[datetime, typer.Option("--to", formats=_FORMATS, help="Before then (UTC).")],
    connection: Annotated[str | None, typer.Option(help="Only this EHR connection.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    form: Annotated[
        Format, typer.Option("--format", help="A page to read and print, or one JSON object.")
    ] = Format.HTML,
    out: Annotated[Path | None, typer.Option(help="Write the report there; without it, to the terminal.")] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="Write the first divergence there as a regression case that can be played.")
    ] = None,
) -> None:
    """Compare event log, chart and audit of a window; say where they first came apart, and what made it worse."""
    from config.incident_wiring import open_reports
    from config.logging import configure_logging

    settings = settings_here()
    # What is logged on the way must not be among the result.
    configure_logging(settings.log_level)
    with open_reports(settings) as reports:
        made = reports.make(_utc(since), _utc(until), tenant=tenant, connection=connection)
    _write(_report(made, form), out)
    _tell(made)
    if scenario is not None:
        _write(_case(made), scenario)


def _report(made: "Incident", form: Format) -> str:
    from cli.incident_document import document_of
    from cli.incident_page import page_of

    document: dict[str, Any] = document_of(made)
    return page_of(document) if form is Format.HTML else json.dumps(document, indent=1) + "\n"


def _case(made: "Incident") -> str:
    """Return the first divergence as the text of a scenario; raises ``CannotDo`` where there is none."""
    from canonical.incident.scenario import scenario_of, to_toml

    if made.first is None:
        raise CannotDo(
            "Record and chart agree in this window: there is nothing to play again. No scenario was written."
        )
    try:
        return to_toml(scenario_of(_of_first(made), made.first))
    except ValueError:
        raise CannotDo(
            "The database lets nobody bring about by a test what the record of this command says: look at its rows. "
            "No scenario was written."
        ) from None


def _of_first(made: "Incident") -> "JudgedCommand":
    return next(item for item in made.commands if made.first in item.divergences)


def _tell(made: "Incident") -> None:
    """Say in a few lines what is read first; they are no part of the report."""
    from canonical.incident.words import act_words, divergence_words

    if made.first is None:
        say("No divergence was found among what could be looked at.")
    else:
        say(f"First divergence, command {made.first.command}: {divergence_words(made.first)}")
        if made.first.worse is not None:
            say(f"Made worse: {act_words(made.first.worse)}")
        fired = made.first.fired
        say(f"A case of kind {fired.kind} told of it." if fired is not None else "No signal told of it.")
    if made.unread:
        say(f"{len(made.unread)} things could not be looked at; the report names each.")


def _write(text: str, file: Path | None) -> None:
    if file is None:
        print(text, end="")  # noqa: T201 - the result
        return
    try:
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotDo(
            f"{file} cannot be written ({error.strerror}). Name another file; nothing else was changed."
        ) from None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
