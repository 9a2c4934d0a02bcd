"""The page of the shipped policies, rendered from their tables: what may happen to what, and who decides. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from canonical.action import action_specs
from canonical.high_alert import HighAlertList
from canonical.policy import ActionPolicy, GroupPolicy, OperationPolicy, PolicySet
from canonical.policy import Need as Approval
from canonical.triage import rollback
from config.policy_files import read_policies

_HEAD = """# Policies

Rendered from the files in `config/policies/` and the actions' own specifications; a test keeps this page equal to them. To change
it, change a file and run `python -m config.policy_page > docs/policies.md`. Why it is so: `docs/adr/0013-policies-are-data.md`;
how an installation lays its own over these: `docs/configuration.md`.

| rule | what may happen to a field group when the chart is not as its author saw it |
|---|---|
| `append` | what is proposed is added to what the chart has; nothing there is changed or removed |
| `merge` | it is written on the newer version, if the chart has not moved in this group and the ladder below has a rung for it |
| `review` | a person decides as soon as anything that the author saw of the entry has moved |
| `exact_match` | it is written only if the whole entry is known to be as its author saw it; what was not seen counts as moved |

Under every rule: what author and chart both changed, in one group, goes to a person; so does a value that its author never saw.
*Whole entry*: whatever moved in the entry, in any group, counts. *Final say*: `author`, once the rule lets it through; `chart`,
`reviewer`: never without a person; `not ours`: no machine of ours writes it. *A person first*: somebody approves before anything
is sent, overlapping or not.
"""


def page(policies: PolicySet) -> str:
    """Return the whole page as Markdown."""
    actions = "\n\n".join(section(policies.action(name)) for name in sorted(action_specs()))
    return f"{_HEAD}\n{queue(policies)}\n\n{medicines(policies)}\n\n{actions}\n"


def section(policy: ActionPolicy) -> str:
    """Return what holds for one action."""
    facts = [
        f"Owner: {policy.owner}. Reviewed {policy.reviewed}, next by {policy.next_review}. {policy.note}",
        "Protected: a machine merges nothing of high significance." if policy.protected else "Not protected.",
    ]
    facts += [
        f"`{name}` from the highest risk to the lowest: {', '.join(scale)}." for name, scale in policy.lowering.items()
    ]
    return "\n\n".join((f"## `{policy.action}`", " ".join(facts), _groups(policy), _operations(policy)))


def _groups(policy: ActionPolicy) -> str:
    fields = {group.name: group.fields for group in action_specs()[policy.action].field_groups}
    rows = (_group(row, fields.get(name, (name,))) for name, row in policy.groups.items())
    return _table(("group", "fields", "rule", "significance", "final say", "decided by", "second signature"), rows)


def _group(row: GroupPolicy, fields: Iterable[str]) -> Sequence[str]:
    named = ", ".join(f"`{name}`" for name in fields)
    within = "; ".join(f"severity {severity}: {_span(span)}" for severity, span in sorted(row.deadline.items()))
    return (
        f"**{row.name}**",
        named,
        f"`{row.rule}`",
        row.significance,
        row.owner.replace("_", " "),
        ", ".join(sorted(row.decide)) + (f" ({within})" if within else ""),
        "yes" if row.second_signature else "",
    )


def _operations(policy: ActionPolicy) -> str:
    rows = (_operation(policy, row) for row in policy.operations.values())
    head = (
        "operation",
        "risk told",
        "a person first",
        "whole entry",
        "second signature",
        "way back",
        "an approval holds",
    )
    return _table(head, rows)


def _operation(policy: ActionPolicy, row: OperationPolicy) -> Sequence[str]:
    return (
        f"`{row.name}`",
        str(row.direction),
        _approval(row),
        "yes" if row.whole_entry else "",
        "yes" if row.second_signature else "",
        rollback(policy.action, row.name).replace("_", " "),
        _span(row.approval),
    )


def _approval(row: OperationPolicy) -> str:
    if row.needs_person is not Approval.UNLESS_AUTHORED_BY:
        return str(row.needs_person)
    known = "" if row.asserted else ", logged in"
    return f"unless authored by: {', '.join(sorted(row.unless_authored_by))}{known}"


def queue(policies: PolicySet) -> str:
    """Return the queue's times, and the ladder of what a machine may merge."""
    said = policies.queue
    times = _table(
        ("severity", "due within", "then up a level after", "somebody is alerted", "its app confirms within"),
        (
            (
                str(number),
                _span(said.due_within(number)),
                _steps(level.escalate_minutes),
                "yes" if level.pages else "",
                _span(said.acknowledged_within(number)),
            )
            for number, level in sorted(said.severity.items())
        ),
    )
    rungs = _table(
        ("significance", "way back"), ((rung.significance, rung.rollback.replace("_", " ")) for rung in said.merge)
    )
    facts = (
        f"A claim holds {_span(said.claim)}. An asked author has {_span(said.author_answer)}. The chart may move "
        f"{said.round_limit} times during review. More than {said.budget_per_1000:g} cases in 1000 commands, where an action "
        f"says nothing else, are told to the policy's owner; so are {said.fatigue.same_of} decisions alike among the last "
        f"{said.fatigue.decisions}, and a median under {said.fatigue.rubber_stamp_seconds:g} s for a decision."
    )
    owner = f"Owner: {said.owner}. Reviewed {said.reviewed}, next by {said.next_review}. {said.note}"
    return f"## The queue\n\n{owner}\n\n{times}\n\n{facts}\n\n## What a machine may merge\n\n{rungs}"


def medicines(policies: PolicySet) -> str:
    """Return the classes of high-alert medicines, of which a person looks at every change."""
    listed = policies.high_alert
    rows = ((one.name, ", ".join(sorted(one.names))) for one in listed.classes)
    told = (
        "A person looks at every change of these, unless a prescriber or pharmacist who logged in made it. "
        f"Owner: {listed.owner}. Reviewed {listed.reviewed}, next by {listed.next_review}. Source: {listed.source}."
    )
    table = _table(("class", "known by these names, and by RxNorm ingredients"), rows)
    return f"## High-alert medicines\n\n{told}\n\n{table}\n\n{_unverified(listed)}"


def _unverified(listed: HighAlertList) -> str:
    """Return which codes of the list nobody has verified, in words."""
    named = ", ".join(f"{item.name or 'unnamed'} (`{item.code}`)" for item in listed.unverified)
    return f"RxNorm codes that nobody has verified yet: {named or 'none'}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def _steps(minutes: Iterable[int]) -> str:
    return ", ".join(_span(timedelta(minutes=one)) for one in minutes)


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes % 60 or minutes < 60 else f"{minutes // 60} h"


if __name__ == "__main__":
    print(page(read_policies()), end="")  # noqa: T201 - its output is the page
