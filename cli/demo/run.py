"""One run of the demonstration on a running product: seed, consent, act, wait until all is settled, look, judge."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from rich.progress import Progress

from cli.demo.apps import Apps
from cli.demo.chart import Chart
from cli.demo.charts import Charts
from cli.demo.disturbance import Disturbance, disturb
from cli.demo.intents import SECOND, STAGED, Intent, Kind
from cli.demo.judge import Case, Difference, Told, judge
from cli.demo.neighbours import readings_of, spread
from cli.demo.people import people_of
from cli.demo.plan import Planner, cohort
from cli.sandbox_site import CONNECTION
from processes.condition import wait_until

#: Everything has settled long before; what has not is told as a difference.
SETTLED_WITHIN = timedelta(seconds=90)
_LOOK_AGAIN = timedelta(milliseconds=300)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a run came to."""

    seed: int
    cases: Mapping[str, Case]
    differences: tuple[Difference, ...]
    faults: dict[str, int]
    balance: dict[str, Any]
    disturbance: Disturbance
    seconds: float

    @property
    def told(self) -> list[Told]:
        """What the apps were told about every action, hospital by hospital."""
        return [told for case in self.cases.values() for told in case.told]

    @property
    def is_good(self) -> bool:
        return not self.differences


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Args:
        charts: of all hospitals.
        balance: asks the service for its balance, as `writeback balance --json` prints it.
        notify: has an EHR tell the service of what changes from then on.
        progress: shows the person at the terminal how far it is.
    """

    charts: Charts
    apps: Apps
    balance: Callable[[], dict[str, Any]]
    notify: Callable[[Chart], None]
    progress: Progress

    def play(self, *, seed: int, actions: int) -> Verdict:
        """Do everything once and judge it."""
        began = time.monotonic()
        intents = self._prepare(seed, actions)
        self._act(intents, seed)
        self._await_settled()
        faults, balance = self.charts.played(), self.balance()
        self._say("reading the EHRs' own charts and logs, and judging …")
        cases = self._cases(self.apps.told(intents), closes=bool(balance["closes"]))
        differences = [it for case in cases.values() for it in judge(case)]
        disturbance = self._disturb(cases[CONNECTION])
        return Verdict(
            seed=seed,
            cases=cases,
            differences=(*differences, *disturbance.differences),
            disturbance=disturbance,
            faults=faults,
            balance=balance,
            seconds=time.monotonic() - began,
        )

    def _cases(self, told: tuple[Told, ...], *, closes: bool) -> dict[str, Case]:
        """Return one case for each hospital; the service's books are judged once, with the first."""
        return {
            name: Case(
                told=tuple(it for it in told if it.intent.connection == name),
                found=found,
                named_in_flight=self.apps.named_in_flight,
                balance_closes=closes or name != CONNECTION,
                unmarked=readings_of().get(name, frozenset()),
            )
            for name, found in self.charts.evidence().items()
        }

    def _disturb(self, case: Case) -> Disturbance:
        self._say(
            "changing a proven reading in the EHR with nobody's name to it, and waiting until a person is asked …"
        )
        self.notify(self.charts.home)
        return disturb(self.charts.home, case, lambda told: self.apps.told([told.intent])[0])

    def _prepare(self, seed: int, actions: int) -> list[Intent]:
        bundle = cohort(seed, actions)
        people = spread(people_of(bundle))
        seeded = self.charts.seed(bundle, people)
        hospitals = len(self.charts.by_connection)
        self._say(
            f"seeding {len(people)} synthetic patients of {hospitals} hospitals ({seeded} resources), recording consents …"
        )
        self.apps.record_consents(people)
        return Planner(people, seed).plan(actions)

    def _act(self, intents: list[Intent], seed: int) -> None:
        lost = next(it for it in intents if it.kind is Kind.IN_FLIGHT)
        waiting = next(it for it in intents if it.kind is Kind.REVOKED)
        for it in intents:
            if it.kind is Kind.MOVED:
                self.charts.home.edit(it.envelope["target"]["reference"], proposed=it.envelope["action"])
        self.charts.play(seed, drop_answer_of=lost.name)
        self._say(f"giving {len(intents)} actions, while the EHRs fail at 15 % of the writes …")
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
