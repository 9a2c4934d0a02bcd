"""Where record and chart first come apart: a table of every kind, of what is none, and of clocks that disagree."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from canonical.incident.judgement import judge
from canonical.incident.report import ChartSide, CommandRecord, DivergenceKind
from tests.incident_factories import (
    AWAY,
    HOME,
    UNTIL,
    chart,
    entry,
    events,
    ours,
    record,
    sent,
    theirs,
)
from tests.incident_table import (
    APPLIED,
    CLEAN,
    CREATED,
    DIVERGING,
    NOTHING,
    UPDATE,
    UPDATED,
    K,
    created,
)


def found(told: CommandRecord, shown: ChartSide) -> list[tuple[DivergenceKind, int | None]]:
    """Return the kinds, each with the event after which it came about."""
    return [(item.kind, item.anchor.seq if item.anchor else None) for item in judge(told, shown, until=UNTIL)]


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_divergence(name: str) -> None:
    told, shown = NOTHING[name]
    assert found(told, shown) == []


@pytest.mark.parametrize("name", DIVERGING)
def test_every_divergence_is_known_by_its_kind_and_the_event_after_which_it_came(name: str) -> None:
    told, shown, kinds = DIVERGING[name]
    assert found(told, shown) == kinds


def test_every_kind_is_in_the_table() -> None:
    assert {kind for _, _, kinds in DIVERGING.values() for kind, _ in kinds} == set(DivergenceKind)


@pytest.mark.parametrize("skew", [-5, 0, 5])
@pytest.mark.parametrize("name", [name for name in DIVERGING if "by the EHR's clock" not in name])
def test_clocks_that_are_five_minutes_apart_change_nothing(name: str, skew: int) -> None:
    told, shown, kinds = DIVERGING[name]
    moved = tuple(
        replace(
            item,
            versions=tuple(
                replace(version, at=version.at + timedelta(minutes=skew) if version.at else None)
                for version in item.versions
            ),
        )
        for item in shown.entries
    )
    assert found(told, replace(shown, entries=moved)) == kinds


def test_what_only_the_clocks_could_tell_is_not_certain() -> None:
    told = record(events(*CLEAN), sent(1, "applied", HOME, "3"), wrote=replace(UPDATE, if_match=None))
    versions = (created(-90), theirs("2", minutes=0), ours("3", mark="urn:change|x"))
    shown = chart(entry(*versions), writes=(CREATED, UPDATED))
    (only,) = judge(told, shown, until=UNTIL)
    assert (only.kind, only.sure) == (K.OVERWRITTEN_UNSEEN, False)


def test_what_is_known_by_what_it_says_alone_is_not_certain() -> None:
    told = record(events(*CLEAN), APPLIED)
    copy = ours(reference=AWAY, by_content=True)
    (only,) = judge(told, chart(entry(ours()), entry(copy, reference=AWAY)), until=UNTIL)
    assert (only.kind, only.sure) == (K.WRITTEN_TWICE, False)


def test_the_record_that_denies_what_the_chart_shows_is_quoted() -> None:
    told, shown, _ = DIVERGING["denied, sent again, and in the chart twice"]
    first = judge(told, shown, until=UNTIL)[0]
    assert first.denied is not None
    assert (first.denied.trigger, first.attempt) == ("probe_not_applied", 1)
