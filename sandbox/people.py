"""People who can log in, and the web clients that may ask who they are; not the logging in."""

import sqlite3
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

_Text = Annotated[str, Field(min_length=1, max_length=256)]


class Person(BaseModel):
    """Somebody who works at the hospital; their claims are those of an ID token.

    Args:
        sub: what the issuer calls them, for ever.
        name: as colleagues say it.
        roles: what they do here, as this issuer calls it.
        tenant: whose staff they are.
        fhirUser: `Practitioner/…` of the chart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sub: _Text
    name: _Text
    roles: tuple[_Text, ...] = ()
    tenant: str | None = None
    fhirUser: str | None = None

    def claims(self) -> dict[str, Any]:
        """What an ID token says of them."""
        return self.model_dump(mode="json", exclude_none=True)


class WebClient(BaseModel):
    """A web application that people log in to.

    Args:
        client_id: its name.
        client_secret: what it proves itself with; None: a public client, which has the verifier only.
        redirect_uris: where codes may be sent, character by character.
        post_logout_redirect_uris: where a browser may go after a logout.
        audience: resource server whose door its people's access tokens open; None: only `userinfo`.
        scopes: of those access tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: _Text
    client_secret: _Text | None = None
    redirect_uris: Annotated[tuple[str, ...], Field(min_length=1)]
    post_logout_redirect_uris: tuple[str, ...] = ()
    audience: str | None = None
    scopes: str = ""

    @model_validator(mode="after")
    def _whole_addresses(self) -> Self:
        for address in (*self.redirect_uris, *self.post_logout_redirect_uris):
            parts = urlsplit(address)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
                raise ValueError("an address to return to is http(s)://host/path without a fragment")
        return self


class Staff(BaseModel):
    """The file of both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: tuple[Person, ...] = ()
    web_clients: tuple[WebClient, ...] = ()

    def keep(self, connection: sqlite3.Connection) -> None:
        """Register everybody."""
        for person in self.people:
            register_person(person, connection)
        for client in self.web_clients:
            register_web_client(client, connection)


def staff_of_file(path: Path) -> Staff:
    """The registrations of a JSON file.

    Raises:
        ValidationError: the file is no such document; mend it before starting.
    """
    return Staff.model_validate_json(path.read_bytes())


def register_person(person: Person, connection: sqlite3.Connection) -> None:
    """Add a person, or replace what is known of them."""
    # An update in place: who is replaced keeps their place on the page.
    connection.execute(
        "INSERT INTO people (sub, registration) VALUES (?, ?)"
        " ON CONFLICT (sub) DO UPDATE SET registration = excluded.registration",
        (person.sub, person.model_dump_json()),
    )


def register_web_client(client: WebClient, connection: sqlite3.Connection) -> None:
    """Add a web client, or replace its registration."""
    connection.execute(
        "REPLACE INTO web_clients (client_id, registration) VALUES (?, ?)",
        (client.client_id, client.model_dump_json()),
    )


def everybody(connection: sqlite3.Connection) -> list[Person]:
    """Return the people in the order in which they were registered."""
    rows = connection.execute("SELECT registration FROM people ORDER BY rowid").fetchall()
    return [Person.model_validate_json(row["registration"]) for row in rows]


def find_person(connection: sqlite3.Connection, sub: str) -> Person | None:
    row = connection.execute("SELECT registration FROM people WHERE sub = ?", (sub,)).fetchone()
    return Person.model_validate_json(row["registration"]) if row else None


def find_web_client(connection: sqlite3.Connection, client_id: str) -> WebClient | None:
    row = connection.execute("SELECT registration FROM web_clients WHERE client_id = ?", (client_id,)).fetchone()
    return WebClient.model_validate_json(row["registration"]) if row else None
