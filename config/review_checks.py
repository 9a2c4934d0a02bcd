"""What `writeback doctor` looks at of the review pages: whether people can log in, and who answers for what they may do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import httpx

from canonical.errors import ConfigurationError
from canonical.ports import Check
from config.people_policy import overdue, read_people_policy
from config.settings import Settings
from tasks.token_cache import read_token_keys

_NOT_SET_UP = "Not set up: WRITEBACK_REVIEW_ISSUER is empty. All else works; cases are decided by the API."
_TIMEOUT = httpx.Timeout(5)


def review_checks(settings: Settings, today: date) -> Iterator[Check]:
    """Yield each check as it is made; pages that are not set up are no fault."""
    if not settings.review_issuer:
        yield Check(name="review pages", ok=True, detail=_NOT_SET_UP)
        return
    try:
        read_token_keys(settings.review_session_key_file, variable="WRITEBACK_REVIEW_SESSION_KEY_FILE")
        policy = read_people_policy(settings.policies_dir)
    except ConfigurationError as error:
        yield Check(name="review pages", ok=False, detail=str(error))
    else:
        yield Check(name="review pages", ok=True, detail=overdue(policy, today))
    yield _provider(settings.review_issuer)


def _provider(issuer: str) -> Check:
    """Return whether the OpenID provider says of itself that it is ``issuer``."""
    name = "provider of logins"
    try:
        answer = httpx.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", timeout=_TIMEOUT)
        answer.raise_for_status()
        said = answer.json()["issuer"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        detail = "It does not answer as an OpenID provider. Check WRITEBACK_REVIEW_ISSUER; nobody can log in now."
        return Check(name=name, ok=False, detail=detail)
    detail = "" if said == issuer else "It calls itself otherwise than WRITEBACK_REVIEW_ISSUER does, to the character."
    return Check(name=name, ok=said == issuer, detail=detail)
