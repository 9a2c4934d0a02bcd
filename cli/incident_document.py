"""The report after an incident as one JSON document: commands, kinds, versions, times, who acted, and sentences. No content.

Nothing in it says what an entry says, where it is, or whose it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from canonical.incident.lines import Line, case_lines, side_by_side
from canonical.incident.report import Act, Divergence, Fired, Incident, JudgedCommand, RecordedCase, SwitchTurn, Unread
from canonical.incident.signals import SIGNALS
from canonical.incident.words import act_words, divergence_words, signal_words, unread_words

#: Raised when a member changes its meaning.
FORM = 1


def document_of(incident: Incident) -> dict[str, Any]:
    """Return the report as JSON values; times are UTC."""
    return {
        "form": FORM,
        "from": _time(incident.since),
        "to": _time(incident.until),
        "madeAt": _time(incident.made_at),
        "connections": [{"tenant": tenant, "connection": name} for tenant, name in incident.connections],
        "first": _divergence(incident.first, incident) if incident.first is not None else None,
        "perhapsAsEarly": [str(item.command) for item in incident.contenders],
        "commands": [_command(item, incident) for item in incident.commands],
        "notLookedAt": [_unread(item) for item in incident.unread],
        "showsNoHistory": [{"tenant": tenant, "connection": name} for tenant, name in incident.without_history],
        "audit": [line for key, cases in incident.connections.items() for line in _of_connection(key, cases)],
        "switches": [_switch(item) for item in incident.switches],
    }


def _command(item: JudgedCommand, incident: Incident) -> dict[str, Any]:
    record = item.record
    return {
        "id": str(record.id),
        "tenant": record.tenant,
        "connection": record.connection,
        "action": record.action,
        "operation": record.operation,
        "state": record.state,
        "reason": record.state_reason,
        "replayOf": str(record.replay_of) if record.replay_of is not None else None,
        "divergences": [_divergence(found, incident) for found in item.divergences],
        "lines": [_line(line) for line in side_by_side(item)],
    }


def _divergence(found: Divergence, incident: Incident) -> dict[str, Any]:
    anchor = found.anchor
    return {
        "kind": found.kind.value,
        "command": str(found.command),
        "sentence": divergence_words(found),
        "sure": found.sure,
        "afterEvent": anchor.seq if anchor is not None else None,
        "attempt": found.attempt,
        "notBefore": _time(found.earliest),
        "notAfter": _time(found.latest),
        "version": found.version.version if found.version is not None else None,
        "reason": found.why or None,
        "sentAfterwards": [_act(act) for act in found.acts],
        "madeWorseBy": _act(found.worse) if found.worse is not None else None,
        "signal": _signal(found, incident),
    }


def _act(act: Act) -> dict[str, Any]:
    return {
        "kind": act.kind.value,
        "command": str(act.command),
        "event": act.event.seq,
        "attempt": act.attempt,
        "at": _time(act.event.at),
        "by": act.event.actor,
        "left": [version.version for version in act.left],
        "sentence": act_words(act),
    }


def _signal(found: Divergence, incident: Incident) -> dict[str, Any]:
    signal = SIGNALS[found.kind]
    return {
        "sweeps": [
            {"name": name, "lastRun": _time(incident.sweeps[name]) if name in incident.sweeps else None}
            for name in signal.sweeps
        ],
        "caseKinds": list(signal.cases),
        "sentence": signal_words(found),
        "fired": _fired(found.fired, found.earliest) if found.fired is not None else None,
    }


def _fired(fired: Fired, since: datetime) -> dict[str, Any]:
    return {
        "case": fired.case,
        "kind": fired.kind,
        "at": _time(fired.at),
        "alertedAt": _time(fired.alerted_at) if fired.alerted_at is not None else None,
        "afterSeconds": int((fired.at - since).total_seconds()),
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "side": line.side.value,
        "at": _time(line.at) if line.at is not None else None,
        "code": line.code,
        "text": line.text,
        "who": line.who,
        "event": line.seq,
        "attempt": line.attempt,
        "entry": line.entry,
        "version": line.version,
    }


def _of_connection(key: tuple[str, str], cases: tuple[RecordedCase, ...]) -> list[dict[str, Any]]:
    tenant, name = key
    return [{"tenant": tenant, "connection": name, **_line(line)} for case in cases for line in case_lines(case)]


def _switch(item: SwitchTurn) -> dict[str, Any]:
    return {
        "tenant": item.tenant,
        "kind": item.kind,
        "key": item.key,
        "on": item.is_on,
        "by": item.by,
        "at": _time(item.at),
    }


def _unread(item: Unread) -> dict[str, Any]:
    return {
        "command": str(item.command) if item.command is not None else None,
        "entry": item.label or None,
        "reason": item.why,
        "sentence": unread_words(item),
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
