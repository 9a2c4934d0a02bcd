"""Where an app wants to be told: registered addresses with their signing secrets. Sending is not done here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import Engine

from canonical.errors import RefusedError
from store.database import rows, transaction

_COLUMNS = "id, url, created_at, failing_since, disabled_at, shows_author"
_LIST = f"SELECT {_COLUMNS} FROM endpoints WHERE tenant = %(tenant)s AND app = %(app)s ORDER BY created_at, id"
_GET = f"SELECT {_COLUMNS} FROM endpoints WHERE tenant = %(tenant)s AND app = %(app)s AND id = %(id)s"
#: An address that was given up is taken up again, with the new secret only.
_REGISTER = f"""
INSERT INTO endpoints (id, tenant, app, url, secret, shows_author)
VALUES (%(id)s, %(tenant)s, %(app)s, %(url)s, %(secret)s, %(shows_author)s)
ON CONFLICT (tenant, app, url) DO UPDATE SET secret = excluded.secret, disabled_at = NULL, failing_since = NULL,
       shows_author = excluded.shows_author
RETURNING {_COLUMNS}
"""
_SECRET = f"""
UPDATE endpoints SET secret = %(secret)s, disabled_at = NULL, failing_since = NULL
 WHERE tenant = %(tenant)s AND app = %(app)s AND id = %(id)s RETURNING {_COLUMNS}
"""
_DISABLE = f"""
UPDATE endpoints SET disabled_at = coalesce(disabled_at, clock_timestamp())
 WHERE tenant = %(tenant)s AND app = %(app)s AND id = %(id)s RETURNING {_COLUMNS}
"""
_GIVE_UP = """
UPDATE callbacks SET given_up_at = clock_timestamp()
 WHERE endpoint_id = %(id)s AND delivered_at IS NULL AND given_up_at IS NULL
"""
#: Every change of status goes to every address of the app that is not disabled.
ENDPOINTS_LIMIT = 10
#: First half of the advisory keys of apps; sweeps have another, and lanes the other form of key.
_APPS = 7394
#: Two requests of one app must not both find the last free place.
_ALONE = "SELECT pg_advisory_xact_lock(%(kind)s, hashtext(%(tenant)s || E'\\x1f' || %(app)s))"
_OTHERS = """
SELECT count(*) AS n FROM endpoints
 WHERE tenant = %(tenant)s AND app = %(app)s AND disabled_at IS NULL AND url <> %(url)s
"""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A registered address, without its secret; ``disabled_at`` (UTC): nothing is sent there since.

    ``shows_author``: its app shows what it is told there to the author of the command.
    """

    id: UUID
    url: str
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    shows_author: bool = False


class Endpoints:
    """The callback addresses of every tenant and app."""

    def __init__(self, engine: Engine) -> None:
        """Work on ``engine``."""
        self._engine = engine

    def all(self, tenant: str, app: str) -> list[Endpoint]:
        """Return the app's endpoints, oldest first, disabled ones included."""
        return self._run(_LIST, {"tenant": tenant, "app": app})

    def find(self, tenant: str, app: str, endpoint: UUID) -> Endpoint | None:
        """Return one endpoint of the app."""
        return _one(self._run(_GET, {"tenant": tenant, "app": app, "id": endpoint}))

    def register(self, tenant: str, app: str, *, url: str, secret: str, shows_author: bool = False) -> Endpoint:
        """Register ``url`` with ``secret``; registered before, it keeps its id and gets the new secret.

        Raises ``RefusedError`` ``too-many-endpoints``: nothing was changed.
        """
        parameters = {
            "id": uuid4(),
            "tenant": tenant,
            "app": app,
            "url": url,
            "secret": secret,
            "shows_author": shows_author,
        }
        with transaction(self._engine) as connection:
            _check_place(connection, parameters)
            return Endpoint(**rows(connection, _REGISTER, parameters)[0])

    def change_secret(self, tenant: str, app: str, endpoint: UUID, *, secret: str) -> Endpoint | None:
        """Give an endpoint another secret and take it up again if it was disabled; raises as :meth:`register`."""
        parameters = {"tenant": tenant, "app": app, "id": endpoint, "secret": secret}
        with transaction(self._engine) as connection:
            found = rows(connection, _GET, parameters)
            if not found:
                return None
            _check_place(connection, parameters | {"url": found[0]["url"]})
            return _one([Endpoint(**row) for row in rows(connection, _SECRET, parameters)])

    def disable(self, tenant: str, app: str, endpoint: UUID) -> Endpoint | None:
        """Send nothing there any more; what was delivered stays on record."""
        parameters = {"tenant": tenant, "app": app, "id": endpoint}
        with transaction(self._engine) as connection:
            found = [Endpoint(**row) for row in rows(connection, _DISABLE, parameters)]
            if found:
                rows(connection, _GIVE_UP, parameters)
        return _one(found)

    def _run(self, sql: str, parameters: dict[str, Any]) -> list[Endpoint]:
        with transaction(self._engine) as connection:
            return [Endpoint(**row) for row in rows(connection, sql, parameters)]


def _check_place(connection: psycopg.Connection[Any], parameters: Mapping[str, Any]) -> None:
    """Let only this transaction change the app's endpoints, and pass if there is a place for one at ``url``."""
    rows(connection, _ALONE, {**parameters, "kind": _APPS})
    if rows(connection, _OTHERS, parameters)[0]["n"] >= ENDPOINTS_LIMIT:
        raise RefusedError("too-many-endpoints", f"An app is told at {ENDPOINTS_LIMIT} addresses at most.")


def _one(found: list[Endpoint]) -> Endpoint | None:
    return found[0] if found else None
