"""The file on people: TOML to :class:`canonical.reviewing_roles.ReviewingRoles`; an installation's own in place of ours.

It is taken whole: a role that an installation leaves out is gone, and does not come back from what is shipped.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from canonical.errors import ConfigurationError
from canonical.reviewing_roles import ReviewingRoles

PEOPLE = "people.toml"


def read_people_policy(folder: Path | None = None) -> ReviewingRoles:
    """Return what each role gives, by ``folder`` (an installation's policies) if it has the file, else as shipped.

    Raises :class:`ConfigurationError` naming the file and every row that may not be used.
    """
    own = folder / PEOPLE if folder is not None else None
    file: Traversable = own if own is not None and own.exists() else files("config") / "policies" / PEOPLE
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror or type(error).__name__}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None
    try:
        return ReviewingRoles.model_validate(table)
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {'; '.join(_lines(error))}.") from None


def overdue(policy: ReviewingRoles, today: date) -> str:
    """Return a sentence that names who answers for the file if its review is overdue on ``today``, else nothing."""
    if policy.next_review >= today:
        return ""
    return f"{PEOPLE} was to be reviewed by {policy.next_review} by its owner, {policy.owner}"


def _lines(error: ValidationError) -> Iterator[str]:
    for detail in error.errors():
        place = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
