"""Which request meets which fault: rules, their draw, their counts; not how a fault is played."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from sandbox.call import WRITES, Interaction


class Fault(StrEnum):
    """What can go wrong; each member says what the client sees and what became of its write."""

    #: Committed, and the connection ends without an answer.
    COMMIT_THEN_DROP = "commit_then_drop"
    #: Nothing is done, and the connection ends without an answer.
    DROP_BEFORE_COMMIT = "drop_before_commit"
    #: The connection ends at once; committed `seconds` later.
    LATE_COMMIT = "late_commit"
    #: Answered `seconds` late, the commit coming `when` = "before" or "after" the wait.
    DELAY = "delay"
    #: Committed, answered with `status` (500).
    ERROR_AFTER_COMMIT = "error_after_commit"
    #: Nothing is done, answered with `status` (500).
    ERROR_BEFORE_COMMIT = "error_before_commit"
    #: Nothing is done, answered 429; `retry_after` seconds, as a number or as a date.
    THROTTLE = "throttle"
    #: Nothing is done, answered `status` (412) as if the version had moved.
    CONFLICT = "conflict"
    #: Done; half of the body arrives.
    TRUNCATED_BODY = "truncated_body"
    #: Done; no body arrives, nor the headers named in `without`.
    EMPTY_BODY = "empty_body"
    #: A read by id sees the chart as it was `seconds` ago.
    READ_LAG = "read_lag"
    #: A search sees the chart as it was `seconds` ago; so does If-None-Exist where `conditional` is set.
    STALE_SEARCH = "stale_search"
    #: The request is processed twice, as by a proxy that retries; the client gets the second answer.
    DUPLICATE_DELIVERY = "duplicate_delivery"
    #: Answered as if it were done, and nothing is: the chart stays as it was.
    ANSWER_WITHOUT_COMMIT = "answer_without_commit"
    #: No answer; the connection stays open for `seconds` or until the client ends it; committed where
    #: `commit` is set.
    HANG = "hang"


_ON_WRITES = frozenset(
    {
        Fault.COMMIT_THEN_DROP,
        Fault.LATE_COMMIT,
        Fault.ERROR_AFTER_COMMIT,
        Fault.CONFLICT,
        Fault.DUPLICATE_DELIVERY,
        Fault.ANSWER_WITHOUT_COMMIT,
    }
)


class Parameters(BaseModel):
    """How a fault is played. Each fault reads the ones its description names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: Annotated[float, Field(ge=0, le=3600)] = 1.0
    when: Literal["before", "after"] = "before"
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    retry_after: Annotated[int, Field(ge=0)] | None = None
    retry_after_form: Literal["seconds", "http-date"] = "seconds"
    #: End the connection with a TCP reset, else with an ordinary close.
    reset: bool = True
    #: A truncated body whose Content-Length is the truncated one, so that HTTP looks whole.
    framed: bool = False
    without: tuple[str, ...] = ()
    conditional: bool = False
    commit: bool = False


class Match(BaseModel):
    """Which requests a rule is for; a field left out matches all.

    `path` and `headers` are regular expressions that are searched for, not anchored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str | None = None
    path: str | None = None
    type: str | None = None
    client: str | None = None
    interaction: Interaction | None = None
    #: header name → regular expression
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("path")
    @classmethod
    def _is_expression(cls, path: str | None) -> str | None:
        if path is not None:
            _compiled(path)
        return path

    @field_validator("headers")
    @classmethod
    def _are_expressions(cls, headers: dict[str, str]) -> dict[str, str]:
        return {name.lower(): _compiled(expression).pattern for name, expression in headers.items()}


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a rule may look at of a request."""

    method: str
    path: str
    type: str
    interaction: Interaction
    client: str | None
    headers: Mapping[str, str]


class Rule(BaseModel):
    """A fault, the requests it is for, and how often it comes.

    At most one of `probability` (0-1, drawn from `seed`), `nth` (which matching requests, the first is 1) and
    `times` (the first so many) is given; with none it comes every time. `max_times` ends the rule.
    """

    model_config = ConfigDict(extra="forbid")

    id: str = ""
    match: Match = Field(default_factory=Match)
    fault: Fault
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int = 0
    nth: int | tuple[int, ...] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    max_times: Annotated[int, Field(ge=1)] | None = None
    parameters: Parameters = Field(default_factory=Parameters)

    _random: random.Random = PrivateAttr()
    _matched: int = PrivateAttr(default=0)
    _fired: int = PrivateAttr(default=0)

    @model_validator(mode="after")
    def _has_one_frequency(self) -> Self:
        if sum(given is not None for given in (self.probability, self.nth, self.times)) > 1:
            raise ValueError("give one of probability, nth and times")
        return self

    def model_post_init(self, context: Any) -> None:
        self._random = random.Random(self.seed)

    def fires(self, facts: Facts) -> bool:
        """Count a request and decide; a request that does not match is not counted."""
        if not self._matches(facts) or (self.max_times is not None and self._fired >= self.max_times):
            return False
        self._matched += 1
        fired = self._is_due()
        self._fired += fired
        return fired

    def shown(self) -> dict[str, Any]:
        return {**self.model_dump(mode="json"), "matched": self._matched, "fired": self._fired}

    def _is_due(self) -> bool:
        if self.probability is not None:
            return self._random.random() < self.probability
        if self.nth is not None:
            return self._matched in ((self.nth,) if isinstance(self.nth, int) else self.nth)
        return self.times is None or self._matched <= self.times

    def _matches(self, facts: Facts) -> bool:
        match = self.match
        return (
            self._is_for(facts.interaction)
            and match.method in {None, facts.method}
            and match.type in {None, facts.type}
            and match.client in {None, facts.client}
            and (match.path is None or re.search(match.path, facts.path) is not None)
            and all(re.search(expression, facts.headers.get(name, "")) for name, expression in match.headers.items())
        )

    def _is_for(self, interaction: Interaction) -> bool:
        if self.match.interaction is not None and self.match.interaction is not interaction:
            return False
        if self.fault in _ON_WRITES:
            return interaction in WRITES
        if self.fault is Fault.READ_LAG:
            return interaction is Interaction.READ
        if self.fault is Fault.STALE_SEARCH:
            return interaction is Interaction.SEARCH or (
                self.parameters.conditional and interaction is Interaction.CREATE
            )
        # Trouble at the token endpoint comes only to those who ask for it.
        return interaction is not Interaction.TOKEN or self.match.interaction is Interaction.TOKEN


class FaultBook:
    """The rules in force, in order: a request meets the first that fires; later ones are not asked."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def replace(self, rules: list[Rule]) -> None:
        self._rules = [
            rule.model_copy(update={"id": rule.id or f"rule-{number}"}) for number, rule in enumerate(rules, 1)
        ]

    def choose(self, facts: Facts) -> Rule | None:
        return next((rule for rule in self._rules if rule.fires(facts)), None)

    def shown(self) -> list[dict[str, Any]]:
        return [rule.shown() for rule in self._rules]
