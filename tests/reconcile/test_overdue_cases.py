"""Late cases: one level up at a time, one alert at the start and one at the end, and nothing of a patient in either."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.metrics import FiguresCollector
from canonical.case_store import CaseAlert
from config.wiring import Services
from reconcile import overdue_cases
from tests.reconcile.conftest import Noted
from tests.reconcile.test_conflicted import conflict
from tests.tasks.ward import Ward

#: Minutes to the decision and to each further level, of the policy that is shipped.
STEPS = {1: (15, 15, 30), 2: (60, 60, 240), 3: (480, 480), 4: (2880, 2880)}


def case_of(ward: Ward, severity: int, *, late_by: float = -1.0) -> int:
    """Open a case that is late by so many minutes; negative: due only then."""
    case = conflict(ward)
    ward.query(
        "UPDATE cases SET severity = %(s)s, due_at = clock_timestamp() - make_interval(secs => %(m)s * 60) WHERE id = %(id)s",
        s=severity,
        m=late_by,
        id=case,
    )
    return case


def let_pass(ward: Ward, minutes: float) -> None:
    ward.query(
        "UPDATE cases SET due_at = due_at - make_interval(secs => %(m)s * 60),"
        " up_at = up_at - make_interval(secs => %(m)s * 60)",
        m=minutes,
    )


def level(ward: Ward, case: int) -> int:
    return int(ward.query("SELECT level FROM cases WHERE id = %(id)s", id=case)[0]["level"])


def told(services: Services, hands: Noted) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        overdue_cases.run_once(services, hands)
    return [dict(line) for line in lines if str(line.get("action", "")).startswith("case.alert")]


@pytest.mark.parametrize("severity", sorted(STEPS))
def test_a_late_case_goes_up_a_level_each_time_its_next_term_is_over(
    ward: Ward, services: Services, hands: Noted, severity: int
) -> None:
    case = case_of(ward, severity, late_by=0.1)
    reached = []
    for minutes in (*STEPS[severity][1:], 100_000, 100_000):
        overdue_cases.run_once(services, hands)
        overdue_cases.run_once(services, hands)
        reached.append(level(ward, case))
        let_pass(ward, minutes - 1)
        overdue_cases.run_once(services, hands)
        if minutes < 100_000:
            assert level(ward, case) == reached[-1]
        let_pass(ward, 1.1)
    steps = len(STEPS[severity])
    assert reached == [*range(1, steps + 1), steps]


def test_however_late_a_case_is_it_goes_up_by_one(ward: Ward, services: Services, hands: Noted) -> None:
    case = case_of(ward, 2, late_by=100_000)
    assert overdue_cases.run_once(services, hands)["escalated"] == 1
    assert level(ward, case) == 1


def test_a_case_in_time_stays_where_it_is(ward: Ward, services: Services, hands: Noted) -> None:
    case = case_of(ward, 2)
    assert overdue_cases.run_once(services, hands) == {"escalated": 0, "alerts": 0, "alerts_over": 0}
    assert level(ward, case) == 0


def test_a_case_at_the_top_is_not_looked_at_again(ward: Ward, services: Services, hands: Noted) -> None:
    case = case_of(ward, 2, late_by=1)
    ward.query("UPDATE cases SET level = 9")
    assert [overdue_cases.run_once(services, hands)["escalated"] for _ in range(2)] == [0, 0]
    assert ward.query("SELECT level, up_at = 'infinity' AS at_rest FROM cases WHERE id = %(id)s", id=case) == [
        {"level": 9, "at_rest": True}
    ]


def test_while_its_author_is_asked_a_case_is_not_late(ward: Ward, services: Services, hands: Noted) -> None:
    case = case_of(ward, 2, late_by=1)
    ward.query("UPDATE cases SET asked_until = clock_timestamp() + interval '1 minute'")
    assert overdue_cases.run_once(services, hands)["escalated"] == 0
    ward.query("UPDATE cases SET asked_until = clock_timestamp()")
    assert overdue_cases.run_once(services, hands)["escalated"] == 1
    assert level(ward, case) == 1


def test_a_severe_case_alerts_once_when_it_opens_and_once_when_it_is_closed(
    ward: Ward, services: Services, hands: Noted
) -> None:
    case = case_of(ward, 1)
    (begun,) = told(services, hands)
    assert begun == {
        "action": "case.alert",
        "event": "a case needs somebody now",
        "log_level": "warning",
        "case": case,
        "kind": "conflict",
        "severity": 1,
        "level": 0,
        "pool": "clinical",
        "connection": "north",
    }
    let_pass(ward, 100)
    assert told(services, hands) == []
    ward.query("UPDATE cases SET closed_at = clock_timestamp()")
    (over,) = told(services, hands)
    assert (over["action"], over["case"]) == ("case.alert_over", case)
    assert told(services, hands) == []


def test_a_late_case_alerts_only_where_its_severity_pages(ward: Ward, services: Services, hands: Noted) -> None:
    late, _early = case_of(ward, 2, late_by=1), case_of(ward, 2)
    assert told(services, hands) == []
    queue = services.policies.queue
    pages = {2: queue.severity[2].model_copy(update={"pages": True})}
    policies = replace(services.policies, queue=queue.model_copy(update={"severity": queue.severity | pages}))
    assert [line["case"] for line in told(replace(services, policies=policies), hands)] == [late]


def test_a_case_closed_before_anybody_was_alerted_ends_no_alert(ward: Ward, services: Services, hands: Noted) -> None:
    case_of(ward, 1)
    ward.query("UPDATE cases SET closed_at = clock_timestamp()")
    assert told(services, hands) == []


def test_an_alert_that_could_not_be_told_is_told_by_the_next_run(ward: Ward, services: Services) -> None:
    case_of(ward, 1)

    def fail(_alert: CaseAlert) -> None:
        raise OSError("the log is full")

    paging = services.policies.queue.paging
    with pytest.raises(OSError, match="full"):
        services.late_cases.begin_alerts(limit=10, paging=paging, tell=fail)
    heard: list[CaseAlert] = []
    assert services.late_cases.begin_alerts(limit=10, paging=paging, tell=heard.append) == 1
    assert [alert.is_over for alert in heard] == [False]


def test_two_runs_at_once_alert_once_and_go_up_once(ward: Ward, services: Services, hands: Noted) -> None:
    cases = [case_of(ward, 1, late_by=1) for _ in range(5)]
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: overdue_cases.run_once(services, hands), range(2)))
    assert sum(one["alerts"] for one in counts) == 5
    assert [level(ward, case) for case in cases] == [1] * 5


def test_open_alerts_are_a_figure_by_pool_and_severity(ward: Ward, services: Services, hands: Noted) -> None:
    def figure() -> dict[tuple[str, ...], float]:
        found = next(
            metric for metric in FiguresCollector(services).collect() if metric.name == "writeback_case_alerts_open"
        )
        return {(item.labels["pool"], item.labels["severity"]): item.value for item in found.samples}

    case_of(ward, 1)
    case_of(ward, 1)
    assert figure() == {}
    overdue_cases.run_once(services, hands)
    assert figure() == {("clinical", "1"): 2}
    ward.query("UPDATE cases SET closed_at = clock_timestamp()")
    overdue_cases.run_once(services, hands)
    assert figure() == {}
