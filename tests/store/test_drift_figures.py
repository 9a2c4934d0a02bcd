from store.database import open_engine, rows, transaction
from store.drift_figures import DriftFigure
from store.figures import Figures
from tests.tasks.ward import open_ward

_LOOKED = """
INSERT INTO drift_tallies (connection_id, day, finding, tenant, looks)
VALUES (%(connection)s, (timezone('UTC', clock_timestamp()))::date - %(days)s::int, %(finding)s, 't1', %(looks)s)
"""


def test_drift_is_told_of_a_thousand_looks_of_the_last_week_by_kind_of_ehr(database_url: str) -> None:
    engine = open_engine(database_url)
    ward = open_ward(engine, database_url)
    looked = [
        (0, "stands", 380),
        (6, "normalised", 10),
        (1, "changed", 4),
        (1, "disappeared", 1),
        (2, "nameless", 5),
        # Nothing was learned of these; and what is older than a week is not told.
        (1, "unreadable", 1000),
        (7, "changed", 1000),
    ]
    with transaction(engine) as connection:
        for days, finding, looks in looked:
            names = {"connection": ward.connection_id, "days": days, "finding": finding, "looks": looks}
            rows(connection, _LOOKED, names)
    (figure,) = Figures(engine).snapshot().drift
    assert (figure.adapter, figure.per_1000) == ("chart", 25.0)
    ward.close()
    engine.dispose()


def test_without_a_look_nothing_is_divided_by_nothing() -> None:
    assert DriftFigure(adapter="chart", looks={}).per_1000 == 0.0
