"""Whether this process lives and whether it may be given work; not the figures (``metrics.py``)."""

from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse
from redis.exceptions import RedisError

from canonical.errors import ConfigurationError, StoreUnavailableError

if TYPE_CHECKING:
    from config.wiring import Services

log = structlog.get_logger()


class Health:
    """``/healthz`` and ``/readyz``; open to everybody, they name nothing."""

    def __init__(self, services: "Services") -> None:
        """Serve with ``services``."""
        self._doors, self._redis = services.doors, services.redis
        self._review = "set-up" if services.settings.review_issuer else "not-set-up"

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(tags=["operation"])
        router.add_api_route("/healthz", self.alive, methods=["GET"])
        router.add_api_route("/readyz", self.ready, methods=["GET"])
        return router

    async def alive(self) -> dict[str, str]:
        """Say that this process answers; needs no thread, so it is true however many wait for the database."""
        return {"status": "ok"}

    def ready(self) -> JSONResponse:
        """Say whether commands can be accepted: PostgreSQL must be there and durable; without Redis it is only slower.

        The review pages are no part of that; whether people can log in to them is said beside it.
        """
        checks = {"database": self._database(), "redis": self._redis_state()}
        ready = checks["database"] == "ok"
        status = "ready" if set(checks.values()) == {"ok"} else "degraded" if ready else "not-ready"
        told = {"status": status, "checks": checks, "reviewPages": self._review}
        return JSONResponse(told, status_code=200 if ready else 503)

    def _database(self) -> str:
        try:
            self._doors.check()
        except StoreUnavailableError:
            return "unavailable"
        except ConfigurationError as error:
            log.error("not durable", action="api.not_durable", error=str(error))
            return "not-durable"
        return "ok"

    def _redis_state(self) -> str:
        try:
            self._redis.ping()
        except (RedisError, OSError):
            return "unavailable"
        return "ok"
