"""What one vendor's EHR may decide otherwise than the standard, as data and a few hooks; not what any vendor decided.

A personality is one file of this folder with a `PERSONALITY`. What can be said in a word is said by settings
(`behaviour`, over the defaults of `Behaviour`); what needs the resource in hand is a hook, looked up by type.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from sandbox.answers import Answer, Refusal
from sandbox.call import BUNDLES, WRITES, Call, Interaction

if TYPE_CHECKING:
    from sandbox.chart import Chart, StoredVersion
    from sandbox.settings import Behaviour

Resource = dict[str, Any]


class Quirks(BaseModel):
    """A personality's own settings: what its vendor leaves open or sites decide; none, unless it says more."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Route:
    """A way in that is no FHIR.

    Args:
        method: HTTP method.
        path: regular expression of the whole path; its named groups are the call's `groups`.
        interaction: what it comes to, by FHIR's names, for faults and the log.
        type: the FHIR type it is about.
        answer: does it.
        scope: what a scope of the token begins with; None where the body carries the proof.
    """

    method: str
    path: str
    interaction: Interaction
    type: str
    answer: Callable[["Situation"], Answer]
    scope: str | None = ""

    def groups_of(self, method: str, path: str) -> dict[str, str] | None:
        """The path's parts where this route is meant; else None."""
        found = re.fullmatch(self.path, path) if method == self.method else None
        return found.groupdict() if found else None


def tell_outcome(refusal: Refusal) -> Answer:
    """A refusal told as an OperationOutcome."""
    return refusal.answer()


def _no_lane(_: Call) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Personality:
    """How one vendor's EHR differs from the standard one.

    Args:
        key: its name among the settings.
        behaviour: settings that differ from the defaults.
        quirks: its own settings.
        verbs: type → what may write it; None: every type, every way.
        reads: how resources can be looked at.
        finds: type → the entry that the EHR takes a new one for; a create then answers 200 with it.
        rules: type → checks of what a client brings; each raises Refusal.
        rewrites: type → what an accepted resource becomes before it is stored, one after another.
        companions: type → resources that appear beside a new one.
        updates: type → what an update makes of the current version; None from it: nothing, and 200 all the same.
        held: type → whether a new one waits for a clinician.
        lane: what a create may share with no other one at the same time; None: it may.
        base: answers what is posted to the base; None: transactions and batches of the standard.
        routes: its native interface.
        tell: puts a refusal into its words.
        native_root: where the paths of its native interface begin.
        tell_native: puts a refusal of a native request into its words.
        advertised: system interactions that its statement names, whatever it does with them.
        scopes: what discovery names besides the types' own scopes.
    """

    key: str
    behaviour: Mapping[str, Any] = field(default_factory=dict)
    quirks: type[Quirks] = Quirks
    verbs: Mapping[str, frozenset[Interaction]] | None = None
    reads: frozenset[Interaction] = frozenset(
        {Interaction.READ, Interaction.VREAD, Interaction.SEARCH, Interaction.HISTORY}
    )
    finds: Mapping[str, Callable[["Situation", Resource], "StoredVersion | None"]] = field(default_factory=dict)
    rules: Mapping[str, tuple[Callable[["Situation", Resource], None], ...]] = field(default_factory=dict)
    rewrites: Mapping[str, tuple[Callable[["Situation", Resource], Resource], ...]] = field(default_factory=dict)
    companions: Mapping[str, Callable[["Situation", Resource], list[Resource]]] = field(default_factory=dict)
    updates: Mapping[str, Callable[["Situation", Resource], Resource | None]] = field(default_factory=dict)
    held: Mapping[str, Callable[["Situation", Resource], bool]] = field(default_factory=dict)
    lane: Callable[[Call], str | None] = _no_lane
    base: Callable[["Situation"], Answer] | None = None
    routes: tuple[Route, ...] = ()
    tell: Callable[[Refusal], Answer] = tell_outcome
    native_root: str | None = None
    tell_native: Callable[[Refusal], Answer] = tell_outcome
    advertised: tuple[str, ...] = ("transaction", "batch")
    scopes: tuple[str, ...] = ()

    def offers(self, interaction: Interaction, type: str) -> bool:
        """Whether a FHIR client can do this here, whoever it is."""
        if interaction in BUNDLES:
            return True
        if interaction not in WRITES:
            return interaction in self.reads
        return self.verbs is None or interaction in self.verbs.get(type, frozenset())


@dataclass(frozen=True, kw_only=True)
class Conduct:
    """How the EHR behaves now: the settings in force, and the personality they name with its own settings."""

    behaviour: "Behaviour"
    personality: Personality
    quirks: Quirks

    def check_offered(self, interaction: Interaction, type: str) -> None:
        """Raises Refusal where this EHR has no such interaction."""
        withheld = f"{type}.{interaction}" in self.behaviour.withheld
        if withheld or not self.personality.offers(interaction, type):
            status = 403 if withheld else self.behaviour.not_offered_status
            code = "forbidden" if status == 403 else "not-supported"
            raise Refusal(status, code, f"{interaction} of {type} is not to be had here.")


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A call, the chart it meets and how the EHR behaves; what every interaction and every hook gets."""

    call: Call
    chart: "Chart"
    conduct: Conduct

    @property
    def behaviour(self) -> "Behaviour":
        return self.conduct.behaviour

    @property
    def personality(self) -> Personality:
        return self.conduct.personality
