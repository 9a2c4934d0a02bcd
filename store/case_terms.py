"""How long cases may wait, as the statements that open them read it; the policy itself is ``config/policies/queue.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Engine

from store.database import rows, transaction

_SET = """
INSERT INTO case_terms (severity, within) VALUES (%(severity)s, %(within)s)
ON CONFLICT (severity) DO UPDATE SET within = excluded.within WHERE case_terms.within <> excluded.within
"""


def set_case_terms(engine: Engine, terms: Mapping[int, timedelta]) -> None:
    """Let cases opened from now on be due within ``terms``: severity (1 to 4) → how long."""
    with transaction(engine) as connection:
        for severity, within in sorted(terms.items()):
            rows(connection, _SET, {"severity": severity, "within": within})
