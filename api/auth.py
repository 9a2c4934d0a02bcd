"""Who sends a request: its bearer token, as a FastAPI dependency. Tokens are verified in ``tasks/tokens.py``."""

from typing import Annotated

from fastapi import Depends, Request

from api.problems import Problem
from canonical.principal import Principal
from tasks.tokens import REFETCH_AFTER, InvalidTokenError, IssuerUnavailableError, TokenVerifier


def caller(request: Request) -> Principal:
    """Return who sends ``request``; a FastAPI dependency."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated("Send 'Authorization: Bearer' with a token of the issuer.")
    tokens: TokenVerifier = request.app.state.tokens
    try:
        return tokens.principal(token.strip())
    except InvalidTokenError as error:
        raise _unauthenticated(str(error), ', error="invalid_token"') from None
    except IssuerUnavailableError as error:
        raise Problem("issuer-unavailable", str(error), retry_after=REFETCH_AFTER) from None


Caller = Annotated[Principal, Depends(caller)]


def _unauthenticated(detail: str, error: str = "") -> Problem:
    return Problem("unauthenticated", detail, headers={"WWW-Authenticate": f'Bearer realm="writeback"{error}'})
