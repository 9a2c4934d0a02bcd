"""All tables of this version on one metadata, for the migrations and the test that compares them. Nothing is declared here."""

from store import (
    acknowledgement_tables,
    balance_tables,
    callback_tables,
    drift_tables,
    notification_tables,
    patient_tables,
    replay_tables,
    review_tables,
    tables,
)
from store.columns import METADATA

__all__ = [
    "METADATA",
    "acknowledgement_tables",
    "balance_tables",
    "callback_tables",
    "drift_tables",
    "notification_tables",
    "patient_tables",
    "replay_tables",
    "review_tables",
    "tables",
]
