"""The migrations lead to exactly the tables that the code declares, and facts stay facts."""

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from store.migrate import alembic_config, upgrade
from store.schema import METADATA


def test_migrations_lead_to_the_declared_tables(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    engine.dispose()
    assert differences == []


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    upgrade(database_url)
    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [head]
    engine.dispose()


@pytest.mark.parametrize("table", ["events", "consent_versions"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET tenant = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_database_refuses_to_change_a_fact(database_url: str, table: str, statement: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        if table == "events":
            driver.execute(
                "INSERT INTO events (tenant, command_id, seq, trigger, source, target, reason, actor)"
                " VALUES ('t', gen_random_uuid(), 1, 'received', '', 'received', 'received', 'test')"
            )
        else:
            driver.execute(
                "WITH c AS (INSERT INTO consents (tenant, reference, patient_key, version, active, purposes, actions, apps,"
                " valid_from) VALUES ('t', 'c', '', 1, true, '{}', '{}', '{}', now()) RETURNING id)"
                " INSERT INTO consent_versions (consent_id, version, tenant, active, purposes, actions, apps, valid_from, actor)"
                " SELECT id, 1, 't', true, '{}', '{}', '{}', now(), 'test' FROM c"
            )
        driver.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            driver.execute(statement.format(table))
        driver.rollback()
        row = driver.execute(f"SELECT count(*) FROM {table}").fetchone()
    engine.dispose()
    assert row == (1,)
