"""What one kind of EHR can do, as data: verbs and what they mean there, guards, landing places, limits. Nothing asks an EHR here.

Every fact that is not from the vendor's own word is marked as unconfirmed and stands behind a setting whose default is safe.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from canonical.notification import NotificationForm
from canonical.provenance import Asked, asked

if TYPE_CHECKING:
    from collections.abc import Mapping


#: Option of a connection: the FHIR types from which its medication list is read (a list), where they are not those declared.
MEDICATION_LIST = "medication_list"


class Interaction(StrEnum):
    """What one request does at the EHR, in the words of FHIR."""

    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"


class Meaning(StrEnum):
    """What a verb really does at an EHR, whatever it is called."""

    #: It makes a new entry.
    CREATES = "creates"
    #: The entry becomes what is sent; what is left out is gone.
    REPLACES = "replaces"
    #: What is sent is changed; what is left out stays.
    MERGES = "merges"
    #: It makes or replaces the entry that has the EHR's own key of the content.
    UPSERTS = "upserts"
    #: The entry is marked as entered in error, whatever is sent.
    RETRACTS = "retracts"


class PreconditionKind(StrEnum):
    """How an EHR lets a writer say which state of an entry it means to change."""

    IF_MATCH = "if-match"
    IF_UNMODIFIED_SINCE = "if-unmodified-since"
    #: None of its own: we read, compare with what the author saw, and write; an edit in between would be lost.
    READ_COMPARE = "read-compare"
    NONE = "none"


class Landing(StrEnum):
    """Where a write comes to rest."""

    CHART = "chart"
    #: Somebody at the EHR must accept it before it is in the chart; until then no read shows it.
    REVIEW = "review"


class Transport(StrEnum):
    """How a write travels."""

    REST = "FHIR REST"
    TRANSACTION = "FHIR transaction bundle"
    FORM = "form post"
    RPC = "RPC"


class Proof(StrEnum):
    """What proves a write on this connection."""

    #: The answer's body is the stored resource.
    ANSWER = "answer"
    #: Only a read by id after the answer.
    READ_BACK = "read-back"


class Way(StrEnum):
    """How an operation of an action reaches an EHR."""

    DIRECT = "direct"
    REVIEW = "review"
    FALLBACK = "fallback"
    REFUSED = "refused"


class ProvenanceSearch(StrEnum):
    """How the Provenance of an entry can be asked for."""

    #: Not at all, or nobody says how.
    NONE = "none"
    #: ``Provenance?target=Type/id``.
    BY_TARGET = "by target"
    #: With the entry: ``Type?_id=id&_revinclude=Provenance:target``.
    WITH_ENTRY = "with the entry"


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What an EHR shows of who changed an entry, and when.

    ``history``: ``Type/id/_history`` is served; ``versions``: an earlier version can be read; ``names_authors``: what is shown
    names the person who made an edit in the EHR; ``meta_source``: entries state through which system they came.
    What is not known of an EHR is declared as not there: it is then not asked for. ``source`` as in :class:`Write`.
    """

    history: bool = False
    versions: bool = False
    provenance: ProvenanceSearch = ProvenanceSearch.NONE
    meta_source: bool = False
    names_authors: bool = False
    source: str = "none: no page read states it"
    confirmed: bool = False


@dataclass(frozen=True, kw_only=True)
class MedicationList:
    """From which FHIR types a patient's medication list can be read at an EHR, each by a search for the patient.

    What is not known of an EHR is declared as not there: no list is read then, and what is started is told to be unchecked.
    ``named_by``: the option of a connection that names the one type instead, where sites differ. ``source`` as in :class:`Write`.
    """

    types: tuple[str, ...] = ()
    named_by: str = ""
    source: str = "none: no page read states it"
    confirmed: bool = False

    def on(self, options: Mapping[str, Any]) -> MedicationList:
        """Return it as a connection with ``options`` has it; one may name the types itself, or none at all."""
        if MEDICATION_LIST in options:
            return replace(self, types=tuple(options[MEDICATION_LIST]))
        named = options.get(self.named_by) if self.named_by else None
        return replace(self, types=(str(named),)) if named is not None else self


@dataclass(frozen=True, kw_only=True)
class ProvenanceWrite:
    """How an EHR takes a Provenance of ours.

    ``one_target``: of several entries each needs its own; ``source`` as in :class:`Write`; ``confirmed``: it is known to keep
    what it is sent, else none is sent but where the connection asks for it.
    """

    one_target: bool = False
    source: str = ""
    confirmed: bool = True


@dataclass(frozen=True, kw_only=True)
class Write:
    """One verb on one resource type.

    ``answer``: what a success looks like, in words; ``flag``: the option of a connection that must be true because the
    vendor grants the verb by contract; ``shown_by``: the option that must be true for reads to show what its staff must accept,
    where accepting it is not enough; ``source``: where the facts are from (vendor page or capture, with its date).
    """

    meaning: Meaning
    precondition: PreconditionKind = PreconditionKind.NONE
    landing: Landing = Landing.CHART
    transport: Transport = Transport.REST
    answer: str = ""
    flag: str = ""
    shown_by: str = ""
    source: str = ""
    confirmed: bool = True


@dataclass(frozen=True, kw_only=True)
class Support:
    """How one operation of an action is taken: by which verbs, or why not at all (in words for people)."""

    way: Way
    needs: tuple[tuple[str, Interaction], ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class KnownChange:
    """What the EHR is known to do to an element between our request and its read-back, with the source of that fact."""

    resource_type: str
    element: str
    what: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit of the EHR: ``what`` it is about (an element's path, requests, a token's life), how much, and the source."""

    what: str
    most: str
    source: str
    confirmed: bool = True


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What an adapter declares of its EHR.

    ``writes``: (resource type, interaction) → what that verb is there. ``supports``: (action type, operation) → how it is
    taken; an operation that is missing is refused. ``fallbacks``: (``message``, ``note``, ``task``) → the (action,
    operation) by which it is sent. ``conditional_create``: ``If-None-Exist`` is honoured. ``finds_by_mark``: our identifier
    is kept and can be searched for; otherwise a write is looked for by patient, code, time and content, and no create is
    sent while the chart already says the same. ``slowest_commit``: how long after we gave up a write may still land,
    ``search_lag`` how long after that a search may miss it. ``attribution``: what it shows of who changed an entry.
    ``medication_list``: from which types the medication list is read.
    ``merged``: the EHR's own codes in answers to reads which say that a record was merged into another. ``unreadable``:
    (status, issue code) of answers to reads that are about the one resource asked for, though the status says that the EHR
    is away. ``compensations``: action type → how an entry is taken back.
    ``provenance``: what becomes of ours, in words; ``provenance_write``: how one may be created, ``None``: not at all.
    ``notifications``: how it tells that the chart changed, where that is not as the backport of subscriptions has it.
    """

    writes: Mapping[tuple[str, Interaction], Write]
    supports: Mapping[tuple[str, str], Support]
    fallbacks: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    conditional_create: bool = True
    finds_by_mark: bool = True
    proof: Proof = Proof.READ_BACK
    slowest_commit: timedelta = timedelta(seconds=120)
    search_lag: timedelta = timedelta(seconds=60)
    unreadable: frozenset[tuple[int, str]] = frozenset()
    attribution: Attribution = Attribution()
    medication_list: MedicationList = MedicationList()
    merged: frozenset[str] = frozenset()
    known_changes: tuple[KnownChange, ...] = ()
    limits: tuple[Limit, ...] = ()
    compensations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    provenance: str = "not sent"
    provenance_write: ProvenanceWrite | None = None
    versions: str = "opaque, in ETag and meta.versionId"
    stale: str = "412"
    notifications: NotificationForm = field(default_factory=NotificationForm)
    authentication: str = "SMART Backend Services (private_key_jwt)"

    @property
    def interactions(self) -> frozenset[tuple[str, Interaction]]:
        """The verbs it has."""
        return frozenset(self.writes)

    @property
    def actions(self) -> frozenset[tuple[str, str]]:
        """The operations it can express itself."""
        return frozenset(key for key, support in self.supports.items() if support.way in {Way.DIRECT, Way.REVIEW})

    def support(self, action: str, operation: str) -> Support:
        """Return how an operation is taken."""
        return self.supports.get((action, operation), Support(way=Way.REFUSED, why="This EHR has no way to take it."))


def within_contract(declared: Capabilities, options: Mapping[str, Any]) -> Capabilities:
    """Return what is left of ``declared`` on a connection with ``options``: verbs that need a flag and lack it are none."""
    writes = {key: write for key, write in declared.writes.items() if _is_agreed(write, options)}
    told = declared.provenance_write if provenance_asked(declared, options) is not Asked.NONE else None
    return replace(
        declared,
        writes=writes,
        supports=_possible(declared, writes),
        provenance_write=told,
        medication_list=declared.medication_list.on(options),
    )


def provenance_asked(declared: Capabilities, options: Mapping[str, Any]) -> Asked:
    """Return of which writes a connection with ``options`` gets a Provenance into the chart of ``declared``."""
    taken = declared.provenance_write
    return asked(options, is_confirmed=taken.confirmed) if taken is not None else Asked.NONE


def support_within(declared: Capabilities, options: Mapping[str, Any], action: str, operation: str) -> Support:
    """Return how one operation is taken on a connection with ``options``, as :func:`within_contract` has it."""
    support = declared.support(action, operation)
    needed = {need: declared.writes[need] for need in support.needs if need in declared.writes}
    return _if_possible(declared, support, {need: it for need, it in needed.items() if _is_agreed(it, options)})


def _is_agreed(write: Write, options: Mapping[str, Any]) -> bool:
    return not write.flag or options.get(write.flag) is True


def _possible(
    declared: Capabilities, writes: Mapping[tuple[str, Interaction], Write]
) -> Mapping[tuple[str, str], Support]:
    """Return the supports, those refused whose verbs are not all there."""
    return {key: _if_possible(declared, support, writes) for key, support in declared.supports.items()}


def _if_possible(declared: Capabilities, support: Support, writes: Mapping[tuple[str, Interaction], Write]) -> Support:
    missing = [need for need in support.needs if need not in writes]
    if not missing:
        return support
    flags = sorted({declared.writes[need].flag for need in missing if need in declared.writes})
    why = f"The connection does not declare {', '.join(flags)}." if flags else "This connection lacks the verb."
    return Support(way=Way.REFUSED, needs=support.needs, why=why)


def is_shown(write: Write, options: Mapping[str, Any]) -> bool:
    """Return whether reads of a connection with ``options`` show what ``write`` brought once the EHR's staff accepted it."""
    return not write.shown_by or options.get(write.shown_by) is True


def only(declared: Capabilities, offered: frozenset[tuple[str, Interaction]]) -> Capabilities:
    """Return ``declared`` as far as the live EHR offers it: table ∩ CapabilityStatement ∩ scopes ∩ contract."""
    writes = {key: write for key, write in declared.writes.items() if key in offered}
    return replace(declared, writes=writes, supports=_possible(declared, writes))
