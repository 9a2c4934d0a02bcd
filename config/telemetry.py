"""Reporting errors to Sentry without what was being written: an event is rebuilt from a short list of harmless facts.

Off without a DSN. Nothing that a default would add (locals, breadcrumbs, request, source lines, exception texts) passes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import sentry_sdk
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration

if TYPE_CHECKING:
    from sentry_sdk.transport import Transport
    from sentry_sdk.types import Event, Hint

    from config.settings import Settings

#: Facts of an event, of an exception in it, and of a frame, that cannot hold content.
_EVENT = ("event_id", "timestamp", "level", "platform", "release", "environment")
_EXCEPTION = ("type", "module")
_FRAME = ("function", "module", "lineno", "in_app")


def configure_telemetry(settings: Settings, *, transport: type[Transport] | None = None) -> bool:
    """Report errors of this process to ``settings.sentry_dsn``; ``False``: there is none and nothing is reported."""
    if not settings.sentry_dsn:
        return False
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        environment=settings.environment,
        transport=transport,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        traces_sample_rate=None,
        before_send=_rebuild,
        before_send_transaction=_drop,
        before_breadcrumb=_drop,
        # Only what is named here: each further integration collects something we would have to take out again.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            DedupeIntegration(),
            ExcepthookIntegration(),
            ThreadingIntegration(propagate_scope=False),
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
        ],
    )
    return True


def _drop(_event: Any, _hint: Any) -> None:
    return None


def _rebuild(event: Event, hint: Hint) -> Event:
    """Return a new event made of harmless facts only; what a later release of the SDK adds does not pass either."""
    given: dict[str, Any] = dict(event)
    kept: dict[str, Any] = {name: given[name] for name in _EVENT if name in given}
    values = (given.get("exception") or {}).get("values") or []
    kept["exception"] = {"values": [_exception(value) for value in values]}
    said = getattr(hint.get("log_record"), "msg", None)
    if isinstance(said, dict) and isinstance(said.get("action"), str):
        # A line of our own: its machine name, which groups such reports.
        kept["message"] = said["action"]
    return kept  # type: ignore[return-value]


def _exception(value: dict[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    kept: dict[str, Any] = {name: value[name] for name in _EXCEPTION if name in value}
    kept["stacktrace"] = {"frames": [{name: frame.get(name) for name in _FRAME} for frame in frames]}
    return kept
