"""What a report after an incident says, as sentences: of divergences, of what was sent then, of what could not be read. Pure.

Never what an entry says, nor anything that names a patient: commands, kinds, versions, times and who acted.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from canonical.event_words import event_words
from canonical.incident.report import Act, ActKind, Divergence, DivergenceKind, Unread
from canonical.incident.signals import SIGNALS
from canonical.unfit import UNFIT_WORDS

K = DivergenceKind

#: Every kind of divergence: a test keeps this whole.
DIVERGENCE_WORDS: Mapping[DivergenceKind, str] = MappingProxyType(
    {
        K.RECORD_DISAGREES: "Our own record does not hold together",
        K.WRITTEN_WITHOUT_RECORD: "The chart has a version by this service that no operation of the record accounts for",
        K.WRITTEN_TWICE: "One operation is in the chart more than once",
        K.OVERWRITTEN_UNSEEN: "Somebody changed the entry between our read and our write, and nobody saw it",
        K.RECORDED_BUT_ABSENT: "The record says that it was written, and the EHR shows nothing of it",
        K.DRIFT_AFTER_PROOF: "It was proven, and the chart says something else since, with nobody named for it",
    }
)
#: Why the record does not hold together.
WHY_WORDS: Mapping[str, str] = MappingProxyType(
    {
        **UNFIT_WORDS,
        "events-missing": "events are missing: their numbers have a gap",
        "event-out-of-place": "an event leaves another state than the one before it led to",
    }
)
ACT_WORDS: Mapping[ActKind, str] = MappingProxyType(
    {
        ActKind.RESEND: "It was sent again",
        ActKind.REPLAY: "A replay had it sent again",
        ActKind.MERGE: "It was brought together with the chart and sent",
    }
)
#: Why something could not be looked at → the sentence. What ends in a status is told with it.
UNREAD_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "outage": "The EHR did not answer.",
        "throttled": "The EHR took no more requests.",
        "auth": "The EHR did not accept this service's credentials.",
        "not_readable": "The EHR answers, and does not show this entry to this service.",
        "merged_patient": "The patient's record was merged into another: the entry is not shown under its old name.",
        "not-configured": "Its EHR connection is not configured any more.",
        "budget": "The reads or the time that one report may take were used up: narrow the window or the connection.",
        "not-comparable": "What the EHR showed could not be compared with what was sent.",
        "failed": "It could not be looked at: something unforeseen stopped the look. The log has it (incident.look_failed).",
        "history-too-long": "The entry has more versions than are read: only the current one was looked at.",
        "history-http": "The EHR did not show the entry's history; only the current version was looked at",
        "provenance-http": "The EHR did not show who acted on the entry",
    }
)


def divergence_words(found: Divergence) -> str:
    """Return one sentence on what came apart, and what the record says to the contrary."""
    parts = [DIVERGENCE_WORDS[found.kind]]
    if found.why:
        parts.append(WHY_WORDS.get(found.why, found.why))
    said = ": ".join(parts)
    sure = "" if found.sure else f" {_unsure(found)}"
    denied = f" The record says the contrary: {event_words(found.denied.trigger)}." if found.denied else ""
    return f"{said}.{denied}{sure}"


def _unsure(found: Divergence) -> str:
    if found.version is not None and found.version.by_content:
        return "It is known by what it says alone, since this EHR keeps no mark of ours: somebody else may have entered it."
    return "It is not certain: only the clocks could tell, and they are nearer to each other than they may err."


def act_words(act: Act) -> str:
    """Return one sentence on what was sent after a divergence, and what it left."""
    numbered = f" (request {act.attempt})" if act.attempt is not None else ""
    return f"{ACT_WORDS[act.kind]}{numbered}, {_left(act)}. By {act.event.actor}."


def _left(act: Act) -> str:
    if act.left:
        count = len(act.left)
        return f"and left {count} {'version' if count == 1 else 'versions'} in the chart"
    if act.outcome is None or act.outcome == "unknown":
        return "and nobody knows what it left"
    return "and the chart shows nothing that it left"


def signal_words(found: Divergence) -> str:
    """Return one sentence on what should have told somebody."""
    signal = SIGNALS[found.kind]
    sweeps = " and ".join(f"`{name}`" for name in signal.sweeps)
    cases = ", ".join(f"`{name}`" for name in signal.cases)
    return f"{signal.words} Sweep {sweeps}; case of kind {cases}."


def unread_words(found: Unread) -> str:
    """Return one sentence on what could not be looked at."""
    known = UNREAD_WORDS.get(found.why)
    if known is not None:
        return known
    name, _, status = found.why.rpartition("-")
    return f"{UNREAD_WORDS[name]} (HTTP {status})." if name in UNREAD_WORDS else f"It could not be read ({found.why})."
