"""What every canonical action declares about itself, and the registry that discovers them; no action's own rules."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from canonical.datatypes import Element
from canonical.errors import ConfigurationError, FieldError, RefusedError
from canonical.rest_order import PROVENANCE_ONLY, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from canonical.capabilities import Capabilities
    from canonical.clinical_time import ClinicalTime
    from canonical.envelope import Envelope
from canonical.review_context import ContextWanted


class Action(Element):
    """Base of all actions; a subclass adds its R4 fields and names its ``type`` and ``operation`` as literals."""

    TYPE: ClassVar[str]

    type: str
    operation: str


@dataclass(frozen=True, kw_only=True)
class OperationRule:
    """What one operation of an action needs from its envelope.

    ``creates``: it makes a new resource; otherwise it needs a target with ``versionId`` or ``seen``.
    ``needs_seen``: what the author had on the screen must be there too. ``takes_back``: proven, it compensates
    its root. ``high_risk``: its author must acknowledge in so many words what is about to be changed
    (``target.acknowledged``). ``own_entry``: it refers to its target and writes an entry of its own, which is what later
    commands mean when they name this one. ``urgent``: it must not wait unseen behind somebody's question. ``moves_status``: by
    its meaning alone the entry's status becomes another one. ``describes``: fields that only say which entry is meant, so that it
    must say the same.
    """

    creates: bool = False
    needs_seen: bool = False
    takes_back: bool = False
    high_risk: bool = False
    own_entry: bool = False
    urgent: bool = False
    moves_status: bool = False
    describes: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class FieldGroup:
    """Fields that mean something only together; a machine never merges inside one."""

    name: str
    fields: tuple[str, ...]
    significance: str
    policy: str = "review"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about accepted content that a person should look at: a case to open, never a refusal.

    ``kind`` names the case, ``severity`` is ``low``, ``medium`` or ``high``. ``holds``: nothing is sent before the
    person decided; otherwise it is written at once and the case stands beside it. Findings with the same ``series``
    (not empty) belong to one case. ``pointer`` and ``detail`` as in :class:`canonical.errors.FieldError`. ``about``: the entries
    of the chart (``Type/id``) that it is about, where a person's decision must hold of just what these say.
    """

    kind: str
    severity: str
    holds: bool
    pointer: str
    detail: str
    series: str = ""
    about: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What of the chart must be read beside the target before some ``operations`` of an action may be sent.

    ``resource_types`` are FHIR types: all entries of them that the chart has of the patient are read. ``medicines``: so is the
    medication list, as far as the EHR is declared to show it. ``judge`` gets the envelope and those entries in canonical words
    (each with its ``reference``, ``Type/id``; medicines with their displays), and returns what a person should see; a finding
    that ``holds`` keeps the command from being sent. ``parts``: actions that it judges as well where they are parts of this one.
    """

    resource_types: tuple[str, ...] = ()
    medicines: bool = False
    operations: frozenset[str]
    judge: Callable[[Envelope, Sequence[Mapping[str, Any]]], list[Finding]]
    parts: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Caveat:
    """What somebody might believe was checked: a ``sentence`` for the receipt, and a ``mark`` for the record where it is not."""

    sentence: str
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class ActionSpec:
    """One canonical action, declared once; schema, doors, policy look-up and conformance cases derive from it.

    ``business_code`` (action → short text) is the code part of a derived idempotency key; ``clinical_time`` the time
    the content speaks of; ``check`` returns what is wrong beyond the schema, given the envelope and now (UTC);
    ``confirmations`` what is implausible and passes only when its author confirmed it; ``findings`` what a person must
    or should look at; ``marks`` short facts for event and page (``critical``, ``late``) that hold nothing up.
    ``asserted_author_allowed``: a backend app may name an author it did not log in. ``ai_needs_person``: content that a
    model wrote waits for a person before it is sent. ``retry_budget``: attempts before a person looks.
    ``parts``: of a compound, the envelopes of the actions that it consists of besides its own entry, in the order in which
    they are written; the own entry comes last. ``surroundings``: what is read beside the target before sending.
    ``mentions``: literal references that the own entry will name and nothing changes; before anything is sent each must be
    in the chart, of this patient, and no error. ``undone_by``: operation → those that put back what it changed, or make
    up for it where the EHR cannot take the entry back; ``ended_as``: what becomes of an entry that is taken back, ``error`` or
    ``cancelled``. ``context``: what of the chart a person who decides about it must see beside.
    ``caveats``: what is told with the receipt of what is checked at an EHR of such capabilities, and what is not.
    ``rest_may_follow``: of several operations, those that a machine may send later than the ones that are in the chart.
    """

    model: type[Action]
    operations: Mapping[str, OperationRule]
    field_groups: tuple[FieldGroup, ...]
    business_code: Callable[[Any], str]
    clinical_time: Callable[[Any], ClinicalTime | None]
    check: Callable[[Envelope, datetime], list[FieldError]]
    confirmations: Callable[[Envelope, datetime], list[FieldError]] = field(default=lambda _envelope, _now: [])
    findings: Callable[[Envelope, datetime], list[Finding]] = field(default=lambda _envelope, _now: [])
    marks: Callable[[Envelope, datetime], tuple[str, ...]] = field(default=lambda _envelope, _now: ())
    asserted_author_allowed: bool = True
    ai_needs_person: bool = True
    retry_budget: int = 8
    receipt_note: str = ""
    parts: Callable[[Envelope], tuple[Envelope, ...]] = field(default=lambda _envelope: ())
    surroundings: Surroundings | None = None
    mentions: Callable[[Envelope], tuple[str, ...]] = field(default=lambda _envelope: ())
    context: tuple[ContextWanted, ...] = ()
    undone_by: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    ended_as: Literal["error", "cancelled"] = "error"
    caveats: Callable[[Envelope, Capabilities], tuple[Caveat, ...]] = field(default=lambda _envelope, _known: ())
    rest_may_follow: frozenset[Role] = PROVENANCE_ONLY

    @property
    def type(self) -> str:
        """The action's stable name."""
        return self.model.TYPE

    def rule(self, action: Action) -> OperationRule:
        """Return what the action's operation needs."""
        return self.operations[action.operation]


@cache
def action_specs() -> Mapping[str, ActionSpec]:
    """Return every action under ``canonical/actions`` by type: each module there declares one ``SPEC``.

    Raises :class:`ConfigurationError` when a module has none or two claim one name.
    """
    package = importlib.import_module("canonical.actions")
    specs: dict[str, ActionSpec] = {}
    for found in pkgutil.iter_modules(package.__path__):
        spec = getattr(importlib.import_module(f"canonical.actions.{found.name}"), "SPEC", None)
        if not isinstance(spec, ActionSpec) or spec.type in specs:
            msg = (
                f"canonical/actions/{found.name}.py must declare one ActionSpec as SPEC, of a type no other module has"
            )
            raise ConfigurationError(msg)
        specs[spec.type] = spec
    return specs


def spec_for(action: Mapping[str, Any] | Action) -> ActionSpec:
    """Return the specification of an action, parsed or not yet.

    Raises :class:`RefusedError` ``unknown-action`` naming the actions there are.
    """
    name = action.type if isinstance(action, Action) else action.get("type")
    spec = action_specs().get(name) if isinstance(name, str) else None
    if spec is None:
        known = ", ".join(sorted(action_specs()))
        raise RefusedError(
            "unknown-action",
            f"There is no such action. Known actions: {known}.",
            errors=(FieldError(pointer="/action/type", code="unknown-action", detail=f"one of: {known}"),),
        )
    return spec


def with_parts(envelope: Envelope) -> tuple[Action, ...]:
    """Return the action of ``envelope`` and those that it consists of: what is to be allowed must be allowed for all."""
    parts = spec_for(envelope.action).parts(envelope)
    return (envelope.action, *(part.action for part in parts))
