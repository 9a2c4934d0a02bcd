"""What a run came to, for people and for programs; it judges nothing."""

from collections import Counter
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from cli.balance import table_of
from cli.demo.judge import Case, Told
from cli.demo.run import Verdict
from cli.terminal import plain_table


def document(verdict: Verdict) -> dict[str, Any]:
    """Return a run as one JSON object; `closed` is what `--once` exits by."""
    return {
        "seed": verdict.seed,
        "actions": len(verdict.told),
        "closed": verdict.is_good,
        "differences": [{"rule": it.rule, "sentence": it.sentence} for it in verdict.differences],
        "endings": [
            {"ending": ending, "reason": reason, "kind": str(kind), "count": count}
            for (ending, reason, kind), count in sorted(endings(verdict).items())
        ],
        "faults": verdict.faults,
        "writeRequests": write_requests(verdict),
        "chart": dict(sorted(written(verdict).items())),
        "hospitals": {name: _hospital(case) for name, case in verdict.cases.items()},
        "balance": verdict.balance,
        "drift": {"changed": 1, "found": int(verdict.disturbance.found)},
        "seconds": round(verdict.seconds, 1),
    }


def _hospital(case: Case) -> dict[str, int]:
    """Return how many actions a hospital was given, and how many of them are in its chart."""
    return {"actions": len(case.told), "charted": sum(told.is_charted for told in case.told)}


def endings(verdict: Verdict) -> Counter[tuple[str, str, str]]:
    """Return how many actions ended how: public status (or "refused"), reason or code, kind."""
    return Counter(_ending(told) for told in verdict.told)


def _ending(told: Told) -> tuple[str, str, str]:
    if told.commands:
        return told.status or "unknown to the service", told.reason, told.intent.kind
    return "refused", ", ".join(sorted(set(told.refusals))), told.intent.kind


def write_requests(verdict: Verdict) -> int:
    return sum(
        it["interaction"] in {"create", "update"} for case in verdict.cases.values() for it in case.found.requests
    )


def written(verdict: Verdict) -> Counter[str]:
    """Return how many versions of each type the service wrote into the chart."""
    return Counter(
        version.reference.partition("/")[0] for case in verdict.cases.values() for version, _ in case.found.written
    )


def show(verdict: Verdict, console: Console) -> None:
    """Print where everything ended, the balance, and what the EHR holds."""
    console.print(Group(_endings(verdict), Text(), _balance(verdict), Text(), _chart(verdict), Text()))
    if verdict.is_good:
        console.print("The charts hold exactly what was accepted, and nothing else.", style="bold green")
        return
    console.print("This is not as it must be:", style="bold red")
    for it in verdict.differences:
        console.print(f"  {it.rule}: {it.sentence}", markup=False)


def _endings(verdict: Verdict) -> Any:
    table = plain_table("ended", "reason", "actions", "shown by", title="Where each action ended")
    by_end: dict[tuple[str, str], Counter[str]] = {}
    for (ending, reason, kind), count in endings(verdict).items():
        by_end.setdefault((ending, reason), Counter())[kind] += count
    for (ending, reason), kinds in sorted(by_end.items()):
        shown = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        table.add_row(ending, reason, str(kinds.total()), shown)
    return table


def _balance(verdict: Verdict) -> Any:
    return table_of(
        {"total": verdict.balance},
        title="The service's balance, which " + ("closes" if verdict.balance["closes"] else "does not close"),
    )


def _chart(verdict: Verdict) -> Any:
    table = plain_table("", "", title="What the EHRs themselves say")
    held = Counter(name.partition("/")[0] for case in verdict.cases.values() for name in case.found.current)
    for kind, versions in sorted(written(verdict).items()):
        table.add_row(f"{kind} in the chart", f"{held[kind]}, of which the service wrote {versions} versions")
    for name, case in verdict.cases.items():
        numbers = _hospital(case)
        table.add_row(f"{name}", f"{numbers['actions']} actions, of which {numbers['charted']} reached the chart")
    edits = sum(len(case.found.edits) for case in verdict.cases.values())
    table.add_row("edits by clinicians, untouched", str(edits))
    drift = verdict.disturbance
    found = f"found, a person is asked ({drift.seconds:.1f} s)" if drift.found else "not found"
    table.add_row("proven, then changed with nobody's name to it", found)
    table.add_row("write requests", str(write_requests(verdict)))
    faults = ", ".join(f"{times} {name}" for name, times in sorted(verdict.faults.items()))
    table.add_row("faults played", faults)
    return table
