"""What may be done about a difference, as data: rows by action, field group and operation, and the set of them with its version.

Rows are facts only; what follows from them is ``canonical/ruling.py`` (may a machine go on) and ``canonical/triage.py`` (how
soon a person looks). Where nobody wrote a row, the one that the action's own specification implies holds, and a prescriber
decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from canonical import exact_json
from canonical.action import ActionSpec, FieldGroup, OperationRule, action_specs
from canonical.queue_policy import QueuePolicy
from canonical.reviewer import Licence

if TYPE_CHECKING:
    from canonical.high_alert import HighAlertList
    from canonical.three_way import GroupDiff


class Rule(StrEnum):
    """What may happen to a field group when the chart is not as its author saw it; from the most to the least lenient."""

    #: What is proposed is added to what the chart has; nothing there is changed or removed.
    APPEND = "append"
    #: Written on the chart's newer version where the chart has not moved in this group.
    MERGE = "merge"
    #: A person decides as soon as anything that the author saw of the entry has moved.
    REVIEW = "review"
    #: Written only where the whole entry is known to be as its author saw it: unseen fields count as moved.
    EXACT_MATCH = "exact_match"


class Owner(StrEnum):
    """Whose word stands in the end."""

    #: The author's, once the rule lets it through.
    AUTHOR = "author"
    #: The chart's: what it says is not replaced without a person; where it says nothing the author may speak.
    CHART = "chart"
    #: A reviewer's: every change is decided by one.
    REVIEWER = "reviewer"
    #: Another system's or person's: no machine of ours ever writes it.
    NOT_OURS = "not_ours"


class Direction(StrEnum):
    """What an operation does to the risks that the chart tells of."""

    #: The chart warns of more: a new allergy, a higher criticality, a new problem.
    ADDS = "adds"
    #: The chart warns of less: an allergy removed or lowered, a problem resolved, "nothing known".
    REDUCES = "reduces"
    NEUTRAL = "neutral"


class Need(StrEnum):
    """Whether a person must approve before anything is sent, overlapping or not."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_AUTHORED_BY = "unless_authored_by"


#: What no installation may hand to the machine: entries that harm when they are wrong.
PROTECTED = frozenset({"MedicationChange", "MedicationReconciliation", "AllergyUpdate", "ProblemUpdate"})
#: Operations that take a warning out of the chart, or say that there is none: a person decides, whatever a file says.
ALWAYS_A_PERSON = frozenset(
    {
        *(("AllergyUpdate", name) for name in ("removeReaction", "inactivate", "resolve", "refute", "retract")),
        *(("ProblemUpdate", name) for name in ("resolve", "inactivate", "refute", "retract")),
        ("AllergyUpdate", "assertNoneKnown"),
    }
)
#: Fields that every entry has and that stand in no group of an action, unless it names them itself.
FRAME = (
    FieldGroup(name="status", fields=("status",), significance="high"),
    FieldGroup(name="securityLabel", fields=("securityLabel",), significance="high", policy="append"),
    FieldGroup(name="subject", fields=("subject",), significance="high"),
    FieldGroup(name="encounter", fields=("encounter",), significance="high"),
    FieldGroup(name="modifierExtension", fields=("modifierExtension",), significance="high"),
)
#: Of the frame: what the chart says of it is never ours to change.
NEVER_OURS = frozenset({"subject", "encounter", "modifierExtension"})
SAFEST_DECIDERS = frozenset({Licence.PRESCRIBER})
APPROVAL_DEFAULT = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class GroupPolicy:
    """One row of an action by field group.

    ``decide``: licences of which a reviewer needs one; ``deadline``: severity (1 to 4) → time to decide, where the queue's own
    is not meant; ``second_signature``: another person must sign. ``bookkeeping``: it says who
    noted something and through what, so that nobody is asked where nothing else differs; never of medications, allergies and
    problems. ``alike``: values between which it makes no more difference than that.
    """

    name: str
    rule: Rule
    significance: str
    owner: Owner = Owner.AUTHOR
    decide: frozenset[Licence] = SAFEST_DECIDERS
    second_signature: bool = False
    deadline: Mapping[int, timedelta] = field(default_factory=dict)
    bookkeeping: bool = False
    alike: tuple[str, ...] = ()

    def is_bookkeeping(self, difference: GroupDiff) -> bool:
        """Whether what differs is bookkeeping alone: who noted it, or which of values that say the same."""
        pending = (field for field in difference.fields if field.pending)
        return self.bookkeeping or all(
            field.current in self.alike and field.proposed in self.alike for field in pending
        )


@dataclass(frozen=True, kw_only=True)
class OperationPolicy:
    """One row of an action by operation.

    ``unless_authored_by``: licences whose holder needs no approval, ``asserted``: also where only the app says who the author is.
    ``whole_entry``: it speaks of the entry as a whole, so that whatever moved in it overlaps. ``approval``: how long one holds.
    ``decide`` narrows the groups' licences where it is not empty. ``reasons``: code → words, of which a decision names one.
    """

    name: str
    direction: Direction = Direction.NEUTRAL
    needs_person: Need = Need.NEVER
    unless_authored_by: frozenset[Licence] = frozenset()
    asserted: bool = False
    whole_entry: bool = False
    approval: timedelta = APPROVAL_DEFAULT
    decide: frozenset[Licence] = frozenset()
    second_signature: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ActionPolicy:
    """All rows of one action, with who answers for them and until when (ISO dates); ``owner`` is empty where no file has it.

    ``protected``: a machine never merges what overlaps or is of high significance. ``budget``: cases in 1000 commands above which
    the policy's owner is told. ``lowering``: field → its codes from the highest risk to the lowest.
    """

    action: str
    owner: str = ""
    reviewed: date | None = None
    next_review: date | None = None
    note: str = ""
    protected: bool = True
    budget: float | None = None
    groups: Mapping[str, GroupPolicy]
    operations: Mapping[str, OperationPolicy]
    lowering: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def group(self, name: str) -> GroupPolicy:
        """Return the row of a group; of a field that stands in none, the safest there is."""
        return self.groups.get(name) or GroupPolicy(name=name, rule=Rule.EXACT_MATCH, significance="high")

    def operation(self, name: str) -> OperationPolicy:
        """Return the row of an operation; of one that is not the action's, the safest there is."""
        return self.operations.get(name) or OperationPolicy(
            name=name, direction=Direction.REDUCES, needs_person=Need.ALWAYS, whole_entry=True
        )


@dataclass(frozen=True)
class PolicySet:
    """Every policy in force, and the version that a decision is bound to."""

    actions: Mapping[str, ActionPolicy]
    queue: QueuePolicy
    high_alert: HighAlertList

    def action(self, action_type: str) -> ActionPolicy:
        """Return the rows of an action; those implied by its specification where no file has any."""
        return self.actions.get(action_type) or implied(action_specs()[action_type])

    def guarded(self, action_type: str) -> frozenset[str]:
        """Return the field groups of an action of which a change rests on what its author saw of them."""
        groups = self.action(action_type).groups.values()
        return frozenset(group.name for group in groups if group.rule in {Rule.REVIEW, Rule.EXACT_MATCH})

    @cached_property
    def version(self) -> str:
        """The SHA-256 of all rows as canonical JSON, in hexadecimal."""
        return exact_json.digest(_plain([dict(self.actions), self.queue.model_dump(), asdict(self.high_alert)])).hex()


def implied(spec: ActionSpec) -> ActionPolicy:
    """Return the policy that an action's own specification implies: the safe one, until somebody answers for another."""
    return ActionPolicy(
        action=spec.type,
        groups={group.name: _group(group) for group in (*spec.field_groups, *frame_groups(spec))},
        operations={name: _operation(spec.type, name, rule) for name, rule in spec.operations.items()},
    )


def frame_groups(spec: ActionSpec) -> tuple[FieldGroup, ...]:
    """Return the groups of the frame that the action does not have itself, by name or by field."""
    own = {name for group in spec.field_groups for name in (group.name, *group.fields)}
    return tuple(group for group in FRAME if own.isdisjoint((group.name, *group.fields)))


def _group(group: FieldGroup) -> GroupPolicy:
    owner = Owner.NOT_OURS if group.name in NEVER_OURS else Owner.AUTHOR
    return GroupPolicy(name=group.name, rule=Rule(group.policy), significance=group.significance, owner=owner)


def _operation(action: str, name: str, rule: OperationRule) -> OperationPolicy:
    if (action, name) in ALWAYS_A_PERSON:
        return OperationPolicy(name=name, direction=Direction.REDUCES, needs_person=Need.ALWAYS, whole_entry=True)
    risky = rule.high_risk or rule.takes_back
    return OperationPolicy(
        name=name,
        direction=Direction.REDUCES if rule.takes_back else Direction.NEUTRAL,
        needs_person=Need.UNLESS_AUTHORED_BY if risky else Need.NEVER,
        unless_authored_by=SAFEST_DECIDERS if risky else frozenset(),
        whole_entry=rule.takes_back,
    )


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON in one order, whatever order a file had."""
    if isinstance(value, GroupPolicy | OperationPolicy | ActionPolicy):
        return _plain({name: getattr(value, name) for name in value.__dataclass_fields__})
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    return value if value is None or isinstance(value, bool | int) else str(value)
