from dataclasses import replace

from canonical.case_views import BoardView
from canonical.review_desk import ReviewError
from canonical.reviewer import Right
from tests.api.review.desk import Ward
from tests.api.review.markup import Markup
from tests.case_factories import ReviewerFactory
from tests.factories import NOW


def test_every_plot_has_its_figures_as_text(ward: Ward) -> None:
    shown = Markup(ward.get("/review/board").text)
    plots = [tag["aria-label"] for tag in shown.all("svg", role="img")]
    assert plots == [
        "Open cases by age and severity",
        "Open cases by kind",
        "Commands by connection and outcome",
        "Conflicts in 100 commands a day, north-r4",
        "Conflicts in 100 commands a day, south-r4",
    ]
    assert "under 1 h 2 5 6 3" in shown.text
    assert "The chart moved 21" in shown.text
    assert "north-r4 12 21 1840 38 0" in shown.text
    assert "2026-03-01 3 190 1.6" in shown.text


def test_what_reviewing_costs_is_told_and_what_is_over_its_budget(ward: Ward) -> None:
    text = Markup(ward.get("/review/board").text).text
    assert "north-r4 MedicationChange 41 6.5 2.2 9 2 5 1 22.1 over 15.0" in text
    assert "south-r4 VitalReading 3 – – 0 0 3 0 – –" in text
    assert "decided the same way 98 times in 100" in text


def test_a_board_of_nothing_says_so(ward: Ward) -> None:
    ward.desk.board_view = BoardView(now=NOW, open=0, overdue=0, oldest=None)
    text = Markup(ward.get("/review/board").text).text
    assert "0 open cases, none overdue Oldest: none." in text
    assert "No command was sent yet." in text
    assert "No case was closed yet." in text


def test_connections_without_a_conflict_are_named_in_one_line(ward: Ward) -> None:
    rates = (("east", "2026-03-01", 0, 40), ("north-r4", "2026-03-01", 2, 40), ("west", "2026-03-01", 0, 3))
    ward.desk.board_view = replace(ward.desk.board_view, conflict_rates=rates)
    text = Markup(ward.get("/review/board").text).text
    assert "No conflict at east, west." in text
    assert "east: the figures" not in text
    assert "north-r4: the figures" in text


def test_a_day_without_commands_has_a_rate_of_nothing(ward: Ward) -> None:
    ward.desk.board_view = replace(
        ward.desk.board_view, conflict_rates=(("north-r4", "2026-03-01", 0, 0), ("north-r4", "2026-03-02", 1, 4))
    )
    assert "2026-03-01 0 0 0.0" in Markup(ward.get("/review/board").text).text


def test_the_board_is_for_those_who_oversee(ward: Ward) -> None:
    ward.me = ReviewerFactory.build(rights=frozenset({Right.SEE_ROWS}))
    assert "/review/board" not in Markup(ward.get("/review/queue").text).addresses()
    ward.desk.refusing["board"] = ReviewError("not-permitted", "The board is for those who oversee the queue.")
    answer = ward.get("/review/board")
    assert answer.status_code == 403
    assert "The board is for those who oversee the queue." in Markup(answer.text).text
