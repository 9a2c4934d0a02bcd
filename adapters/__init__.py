"""How each EHR wants it: one file per EHR, found without being listed, and the wire they share. Imports ``canonical`` only."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from canonical.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.adapter import Adapter
    from adapters.wire import Wire
    from canonical.capabilities import Capabilities
    from canonical.ports import ConnectionSettings, Ehr
    from canonical.token_cache import TokenCache

#: Reads run beside the writes that ``max_in_flight`` counts.
_READS_BESIDE = 4


def collect(modules: Iterable[ModuleType]) -> Mapping[str, Adapter]:
    """Return the adapters that ``modules`` declare as ``ADAPTER``, by key; a module without one is no EHR.

    Raises :class:`ConfigurationError` when two claim one key or one lacks a method.
    """
    from adapters.adapter import Adapter

    found: dict[str, Adapter] = {}
    for module in modules:
        adapter = getattr(module, "ADAPTER", None)
        if adapter is None:
            continue
        if not isinstance(adapter, Adapter):
            raise ConfigurationError(
                f"{module.__name__}.ADAPTER lacks something that adapters.adapter.Adapter asks for"
            )
        if adapter.key in found:
            raise ConfigurationError(f"two files under adapters/ claim the key '{adapter.key}'")
        found[adapter.key] = adapter
    return found


@cache
def adapters() -> Mapping[str, Adapter]:
    """Return every adapter under ``adapters/`` by key; raises as :func:`collect`."""
    names = [item.name for item in pkgutil.iter_modules(__path__) if not item.ispkg]
    return collect(importlib.import_module(f"{__name__}.{name}") for name in names)


def declared(settings: ConnectionSettings) -> Capabilities:
    """Return what the connection's kind of EHR can do within its contract, as declared; nothing is asked or opened.

    Raises :class:`ConfigurationError` naming the adapters there are.
    """
    from canonical.capabilities import within_contract

    return within_contract(_adapter(settings).capabilities, settings.options)


def _adapter(settings: ConnectionSettings) -> Adapter:
    adapter = adapters().get(settings.adapter)
    if adapter is None:
        known = ", ".join(sorted(adapters()))
        raise ConfigurationError(f"connection {settings.name}: no adapter '{settings.adapter}'; there are: {known}")
    return adapter


def open_ehr(
    settings: ConnectionSettings,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    command_system: str | None = None,
    change_system: str | None = None,
    token_cache: TokenCache | None = None,
) -> Ehr:
    """Return the EHR of one connection; nothing is connected yet, its key or secret is read. ``clock`` gives UTC.

    ``token_cache``: where the processes of an installation share access tokens, if they do.

    ``options`` read here: ``ca_file`` (PEM), ``max_body`` (octets), ``native_url`` (where an EHR takes what is not
    FHIR). The two systems name the identifiers by which our writes are recognised; by default
    ``urn:fhir-writeback:command`` and ``…:change``.
    Raises :class:`ConfigurationError` naming the setting to correct.
    """
    from adapters.ehr import RestEhr
    from adapters.site import CHANGE_SYSTEM, COMMAND_SYSTEM, Site
    from adapters.tokens import open_tokens
    from adapters.wire import MAX_BODY_DEFAULT, Wire

    options: Mapping[str, Any] = settings.options
    ca_file = options.get("ca_file")
    site = Site(
        base_url=settings.base_url,
        command_system=command_system or COMMAND_SYSTEM,
        change_system=change_system or CHANGE_SYSTEM,
        options=options,
    )
    return RestEhr(
        adapter=_adapter(settings).connected(site),
        site=site,
        wire=Wire(
            settings.base_url,
            max_connections=settings.max_in_flight + _READS_BESIDE,
            max_body=options.get("max_body", MAX_BODY_DEFAULT),
            ca_file=ca_file,
        ),
        native_wire=_native_wire(settings, ca_file),
        tokens=open_tokens(
            settings.auth,
            clock=clock,
            ca_file=ca_file,
            owner=f"{settings.tenant}/{settings.name}",
            cache=token_cache,
        ),
        timings=settings.timings,
        proof=settings.proof,
        clock=clock,
    )


def _native_wire(settings: ConnectionSettings, ca_file: str | None) -> Wire | None:
    from adapters.wire import MAX_BODY_DEFAULT, Wire

    url = settings.options.get("native_url")
    if url is None:
        return None
    if not isinstance(url, str) or not url.startswith(
        ("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")
    ):
        raise ConfigurationError(f"connection {settings.name}: options.native_url must be an https:// address")
    most = settings.options.get("max_body", MAX_BODY_DEFAULT)
    return Wire(url, max_connections=settings.max_in_flight, max_body=most, ca_file=ca_file)
