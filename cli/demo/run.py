"""One run of the demonstration on a running product: seed, consent, act, wait until all is settled, look, judge."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from rich.progress import Progress

from cli.demo.apps import Apps
from cli.demo.chart import Chart
from cli.demo.faults import rules
from cli.demo.intents import SECOND, STAGED, Intent, Kind
from cli.demo.judge import Case, Difference, judge
from cli.demo.people import people_of
from cli.demo.plan import Planner, cohort
from processes.condition import wait_until

#: Everything has settled long before; what has not is told as a difference.
SETTLED_WITHIN = timedelta(seconds=90)
_LOOK_AGAIN = timedelta(milliseconds=300)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a run came to."""

    seed: int
    case: Case
    differences: tuple[Difference, ...]
    faults: dict[str, int]
    balance: dict[str, Any]
    seconds: float

    @property
    def is_good(self) -> bool:
        return not self.differences


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Args:
        balance: asks the service for its balance, as `writeback balance --json` prints it.
        progress: shows the person at the terminal how far it is.
    """

    chart: Chart
    apps: Apps
    balance: Callable[[], dict[str, Any]]
    progress: Progress

    def play(self, *, seed: int, actions: int) -> Verdict:
        """Do everything once and judge it."""
        began = time.monotonic()
        intents = self._prepare(seed, actions)
        self._act(intents, seed)
        self._await_settled()
        faults, balance = self.chart.played(), self.balance()
        self._say("reading the EHR's own chart and log, and judging …")
        case = Case(
            told=self.apps.told(intents),
            found=self.chart.evidence(),
            named_in_flight=self.apps.named_in_flight,
            balance_closes=bool(balance["closes"]),
        )
        return Verdict(
            seed=seed,
            case=case,
            differences=tuple(judge(case)),
            faults=faults,
            balance=balance,
            seconds=time.monotonic() - began,
        )

    def _prepare(self, seed: int, actions: int) -> list[Intent]:
        bundle = cohort(seed, actions)
        people = people_of(bundle)
        self._say(
            f"seeding {len(people)} synthetic patients ({self.chart.seed(bundle)} resources), recording consents …"
        )
        self.apps.record_consents(people)
        return Planner(people, seed).plan(actions)

    def _act(self, intents: list[Intent], seed: int) -> None:
        lost = next(it for it in intents if it.kind is Kind.IN_FLIGHT)
        waiting = next(it for it in intents if it.kind is Kind.REVOKED)
        for it in intents:
            if it.kind is Kind.MOVED:
                self.chart.edit(it.envelope["target"]["reference"])
        self.chart.play(rules(seed, drop_answer_of=lost.name))
        self._say(f"giving {len(intents)} actions, while the EHR fails at 15 % of the writes …")
        bar = self.progress.add_task("giving", total=len(intents))
        self.apps.revoke_in_flight(lost, waiting)
        self.progress.advance(bar, 2)
        then = partial(self.progress.advance, bar)
        self.apps.give([it for it in intents if it.kind not in SECOND | STAGED], then=then)
        self.apps.give(self.apps.aimed(it for it in intents if it.kind in SECOND), then=then)

    def _await_settled(self) -> None:
        self._say("waiting until every command is in the chart, has ended, or waits for a person …")
        bar = self.progress.add_task("settling", total=self.apps.pending())

        def settled() -> bool:
            left = self.apps.pending()
            self.progress.update(bar, completed=max(0, (self.progress.tasks[-1].total or 0) - left))
            return not left

        wait_until(settled, within=SETTLED_WITHIN, look_again=_LOOK_AGAIN)

    def _say(self, sentence: str) -> None:
        self.progress.console.print(sentence, markup=False)
