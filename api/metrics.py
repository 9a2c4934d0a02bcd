"""Figures for Prometheus: what is where, how old, how much was refused. From the database; no identifiers, no tenants."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from canonical.lifecycle import State
from canonical.status import STATUS_OF
from tasks.recent import Recent

if TYPE_CHECKING:
    from config.wiring import Services

#: Scrapers ask every few seconds; counting all commands costs a scan.
_TOTALS_LIFE = timedelta(seconds=15)


class FiguresCollector(Collector):
    """Reads the figures when it is scraped, so that every process tells the same."""

    def __init__(self, services: "Services") -> None:
        """Read through ``services``."""
        self._figures = services.doors.figures
        self._totals = Recent(self._figures.totals, life=_TOTALS_LIFE)
        self._review = Recent(self._figures.review_totals, life=_TOTALS_LIFE)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; raises ``StoreUnavailableError``."""
        seen = self._figures.snapshot()
        yield _by_state(
            "writeback_commands", "Commands in each state, all that were ever accepted.", self._totals.get()
        )
        yield _by_state("writeback_commands_open", "Commands that are not over, by state.", seen.open)
        ages = GaugeMetricFamily(
            "writeback_oldest_seconds", "Age of the oldest command that is due, unknown or unproven.", labels=["what"]
        )
        for what, age in (
            ("ready", seen.oldest_ready),
            ("unknown", seen.oldest_unknown),
            ("unproven", seen.oldest_unproven),
        ):
            ages.add_metric([what], max(age or 0.0, 0.0))
        yield ages
        yield GaugeMetricFamily("writeback_callbacks_due", "Callbacks that wait to be sent.", value=seen.callbacks_due)
        yield _labelled("writeback_refused_last_hour", "Refusals of the last hour.", ["door", "code"], seen.refused)
        cases = {(kind,): count for kind, count in seen.cases.items()}
        yield _labelled("writeback_cases_open", "Cases that wait for a person.", ["kind"], cases)
        oldest = {(str(severity),): age for severity, age in seen.oldest_cases.items()}
        yield _labelled("writeback_cases_oldest_seconds", "Age of the oldest case that waits.", ["severity"], oldest)
        review = self._review.get()
        decisions = {(verb,): count for verb, count in review.decisions.items()}
        yield _labelled("writeback_decisions", "Decisions on cases, all that were ever made.", ["verb"], decisions)
        yield GaugeMetricFamily(
            "writeback_cases_reopened_last_day", "Cases of the last day that came back.", value=review.reopened
        )
        alerts = {(pool, str(severity)): count for (pool, severity), count in seen.alerts.items()}
        words = "Cases that somebody was alerted of and that are not decided."
        yield _labelled("writeback_case_alerts_open", words, ["pool", "severity"], alerts)
        looks = {(one.adapter, name.value): many for one in seen.drift for name, many in one.looks.items()}
        words = "Looks of the last seven days at writes that were proven, by what they showed."
        yield _labelled("writeback_drift_looks_last_week", words, ["adapter", "finding"], looks)
        drift = {(one.adapter,): one.per_1000 for one in seen.drift}
        words = "Of 1 000 of those looks, how many showed that the chart says something else with nobody's name to it."
        yield _labelled("writeback_drift_per_1000_looks_last_week", words, ["adapter"], drift)
        words = (
            "Commands that ended other than in the chart, or wait too long, and that no app confirmed to have shown."
        )
        yield GaugeMetricFamily("writeback_unacknowledged", words, value=seen.owed.count)
        words = "For how long the first of those has been owed to its author."
        oldest_owed = max(seen.owed.oldest.total_seconds(), 0.0)
        yield GaugeMetricFamily("writeback_unacknowledged_oldest_seconds", words, value=oldest_owed)
        words = "Notifications, and looks at the entries that they named, of the last seven days, by what they came to."
        yield _labelled("writeback_notifications_last_week", words, ["connection", "result"], seen.notifications)
        replayed = {(one.adapter, name): many for one in seen.replays for name, many in one.outcomes.items()}
        words = "Items of the last seven days' replays, by what became of them."
        yield _labelled("writeback_replay_items_last_week", words, ["adapter", "outcome"], replayed)
        success = {(one.adapter,): one.success for one in seen.replays}
        words = "Of what those sent again and is over, the part that is proven to be in the chart."
        yield _labelled("writeback_replay_success_last_week", words, ["adapter"], success)
        words = "Commands that the balances of past days cannot account for, by reason: any is a defect."
        yield _labelled("writeback_balance_unfit", words, ["reason"], {(why,): n for why, n in seen.unfit.items()})
        closed = sum(connection.closed for connection in seen.connections)
        yield GaugeMetricFamily("writeback_connections_closed", "EHR connections that take no work now.", value=closed)
        sweeps = {(sweep.name,): sweep.age.total_seconds() for sweep in seen.sweeps}
        yield _labelled("writeback_sweep_age_seconds", "Time since each sweep last succeeded.", ["sweep"], sweeps)


def _by_state(name: str, words: str, counts: dict[State, int]) -> Metric:
    labelled = {(state.value, STATUS_OF[state].value): count for state, count in counts.items()}
    return _labelled(name, words, ["state", "status"], labelled)


def _labelled(name: str, words: str, labels: list[str], values: Mapping[Any, float]) -> Metric:
    """Return gauges: ``values`` by the tuple of their labels' values."""
    family = GaugeMetricFamily(name, words, labels=labels)
    for names, value in values.items():
        family.add_metric(list(names), value)
    return family


class Metrics:
    """``/metrics``: the figures of the service and the counters of this process."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._collector = FiguresCollector(services)

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["operation"])
        router.add_api_route("/metrics", self.expose, methods=["GET"], response_class=Response)
        return router

    def expose(self) -> Response:
        """Return all metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Collected(list(self._collector.collect())))
        return Response(generate_latest(REGISTRY) + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collected(Collector):
    """Metrics that were read already: registering a live collector would read them once more, only for their names."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
