"""What an EHR says of itself now against what its adapter declares, for ``writeback doctor``. It changes nothing.

What can really be written is the least of four: the adapter's table, the connection's contract, the EHR's own
CapabilityStatement, and the scopes it granted; no one of them proves anything alone.

Source: HL7 FHIR R4 (4.0.1), CapabilityStatement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adapters.scopes import covers, writes_beyond
from adapters.tokens import Tokens
from canonical.capabilities import Capabilities, Interaction, PreconditionKind, Transport, Way, only
from canonical.errors import EhrUnavailableError, NeedsPersonError
from canonical.ports import Check, Resource
from canonical.provenance import OPTION, PROVENANCE

_RIGHTS = {Interaction.CREATE: "c", Interaction.UPDATE: "u", Interaction.PATCH: "u"}


def live_checks(declared: Capabilities, statement: Callable[[], Resource], tokens: Tokens) -> list[Check]:
    """Return one line per thing that must hold before anything is written; ``statement`` reads the CapabilityStatement."""
    try:
        live = statement()
    except (EhrUnavailableError, NeedsPersonError) as error:
        return [Check(name="capability statement", ok=False, detail=f"{error}; check the base URL and credentials")]
    return [
        *_statement_checks(declared, live),
        *_provenance_checks(declared, live, tokens.granted),
        *_scope_checks(declared, tokens.granted),
        *_effective_checks(declared, effective(declared, live, tokens.granted)),
    ]


def effective(declared: Capabilities, live: Resource, granted: str | None) -> Capabilities:
    """Return what is left of ``declared`` (within the contract already) at an EHR that states ``live`` and ``granted``.

    ``granted``: scopes, space-separated; ``None`` where the EHR states none.
    """
    by_type = _resources(live)

    def offers(name: str, interaction: Interaction) -> bool:
        stated = {item.get("code") for item in by_type.get(name, {}).get("interaction", [])}
        return interaction.value in stated and (granted is None or covers(granted, name, _RIGHTS[interaction]))

    return only(
        declared,
        frozenset(
            key for key, write in declared.writes.items() if write.transport is not Transport.REST or offers(*key)
        ),
    )


def _effective_checks(declared: Capabilities, left: Capabilities) -> Iterator[Check]:
    """One line per action: how its operations are taken now, and which of the declared ones are not."""
    for action in sorted({name for name, _ in declared.supports}):
        lost, ways = [], dict[Way, list[str]]()
        for (name, operation), support in sorted(left.supports.items()):
            if name != action:
                continue
            ways.setdefault(support.way, []).append(operation)
            if support.way is not declared.support(name, operation).way:
                lost.append(operation)
        told = "; ".join(f"{way}: {', '.join(operations)}" for way, operations in ways.items())
        missing = f". Declared, and not to be had here: {', '.join(lost)}" if lost else ""
        yield Check(name=f"{action} is taken", ok=not lost, detail=f"{told}{missing}")


def _statement_checks(declared: Capabilities, live: Resource) -> Iterator[Check]:
    version = str(live.get("fhirVersion"))
    yield Check(
        name="fhir version", ok=version.startswith("4.0"), detail=f"the EHR says {version}, this adapter writes 4.0.1"
    )
    by_type = _resources(live)
    for name in sorted({name for name, _ in declared.interactions}):
        yield from _type_checks(declared, name, by_type.get(name, {}))


def _provenance_checks(declared: Capabilities, live: Resource, granted: str | None) -> Iterator[Check]:
    """Say whether a Provenance can be created, read and found again, where the connection asks for it."""
    if declared.provenance_write is None:
        return
    stated = _resources(live).get(PROVENANCE, {})
    offered = {item.get("code") for item in stated.get("interaction", [])}
    missing = sorted({"create", "read", "search-type"} - offered)
    missing += [f"scope {right}" for right in "crs" if granted is not None and not covers(granted, PROVENANCE, right)]
    advice = f"not to be had: {', '.join(missing)}; each write that wants one would stay incomplete: {OPTION} = 'none'"
    yield Check(name=f"{PROVENANCE} is taken", ok=not missing, detail=advice if missing else "")


def _resources(live: Resource) -> dict[str, Mapping[str, Any]]:
    servers = [rest for rest in live.get("rest", []) if rest.get("mode") == "server"]
    return {str(item.get("type")): item for rest in servers for item in rest.get("resource", [])}


def _type_checks(declared: Capabilities, name: str, live: Mapping[str, Any]) -> Iterator[Check]:
    offered = {item.get("code") for item in live.get("interaction", [])}
    wanted = {interaction.value for type_, interaction in _by_rest(declared) if type_ == name}
    missing = sorted((wanted | {"read", "search-type"}) - offered)
    yield Check(
        name=f"{name} interactions",
        ok=not missing,
        detail=f"the EHR does not offer {', '.join(missing)}" if missing else "",
    )
    if declared.finds_by_mark:
        can_search = any(item.get("name") == "identifier" for item in live.get("searchParam", []))
        lacking = "without it an unanswered create cannot be found again: every one goes to a person"
        yield Check(name=f"{name} search by identifier", ok=can_search, detail="" if can_search else lacking)
    if declared.conditional_create:
        yield Check(
            name=f"{name} conditional create",
            ok=live.get("conditionalCreate") is True,
            detail="" if live.get("conditionalCreate") is True else "If-None-Exist may be ignored: one belt less",
        )
    if any(
        write.precondition is PreconditionKind.IF_MATCH
        for (type_, _), write in declared.writes.items()
        if type_ == name
    ):
        versioned = live.get("versioning") in {"versioned", "versioned-update"}
        yield Check(
            name=f"{name} versions",
            ok=versioned,
            detail="" if versioned else "If-Match may be ignored: do not update here",
        )


def _by_rest(declared: Capabilities) -> frozenset[tuple[str, Interaction]]:
    """Return the verbs that are FHIR's own; what travels otherwise is in no CapabilityStatement and under no FHIR scope."""
    return frozenset(key for key, write in declared.writes.items() if write.transport is Transport.REST)


def _scope_checks(declared: Capabilities, granted: str | None) -> Iterator[Check]:
    if granted is None:
        return
    by_rest = _by_rest(declared)
    for name, interaction in sorted(declared.interactions):
        written = (_RIGHTS[interaction],) if (name, interaction) in by_rest else ()
        for right in (*written, "r", "s"):
            if not covers(granted, name, right):
                yield Check(
                    name=f"{name} scope",
                    ok=False,
                    detail=f"no granted scope covers system/{name}.{right}; ask the EHR for it",
                )
    if not covers(granted, "Patient", "r"):
        yield Check(
            name="Patient scope", ok=False, detail="no granted scope covers system/Patient.r: nobody can be identified"
        )
    yield _least_rights(declared, granted)


def _least_rights(declared: Capabilities, granted: str) -> Check:
    """Name what is granted beyond what we write; it stops nothing, and only the EHR can take it back."""
    needed: dict[str, set[str]] = {}
    for name, interaction in declared.interactions:
        needed.setdefault(name, set()).add(_RIGHTS[interaction])
    if declared.provenance_write is not None:
        needed.setdefault(PROVENANCE, set()).add("c")
    beyond = writes_beyond(granted, needed)
    detail = f"granted and not needed: {', '.join(beyond)}; ask the EHR to take it back" if beyond else ""
    return Check(name="least rights", ok=True, detail=detail)
