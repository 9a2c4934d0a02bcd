"""The EHRs of one process, each opened when it is first needed; what opens one is given. It reads no settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock

from adapters import declared
from canonical.capabilities import Capabilities
from canonical.errors import ConfigurationError
from canonical.ports import ConnectionSettings, Ehr


class Ehrs:
    """The EHRs by (tenant, connection), each opened when it is first needed. Thread-safe; closed together."""

    def __init__(
        self,
        connections: Mapping[tuple[str, str], ConnectionSettings],
        opener: Callable[[ConnectionSettings], Ehr],
        capabilities: Callable[[ConnectionSettings], Capabilities] = declared,
    ) -> None:
        """Take the connections' settings, what opens one, and what tells what one can do without opening it."""
        self._connections, self._opener, self._declared = connections, opener, capabilities
        self._capabilities: dict[tuple[str, str], Capabilities] = {}
        self._open: dict[tuple[str, str], Ehr] = {}
        self._lock = Lock()

    def __call__(self, tenant: str, name: str) -> Ehr:
        """Return the EHR; raises ``ConfigurationError`` when the settings do not name it (any more)."""
        with self._lock:
            ehr = self._open.get((tenant, name))
            if ehr is None:
                settings = self._connections.get((tenant, name))
                if settings is None:
                    raise ConfigurationError(
                        f"tenant {tenant} has commands for the connection {name}, which no file names: put it back"
                    )
                ehr = self._open[tenant, name] = self._opener(settings)
            return ehr

    def capabilities(self, settings: ConnectionSettings) -> Capabilities:
        """Return what a connection's EHR can do within its contract, as declared; nothing is opened."""
        key = settings.tenant, settings.name
        if key not in self._capabilities:
            self._capabilities[key] = self._declared(settings)
        return self._capabilities[key]

    def close(self) -> None:
        """Close every EHR that was opened."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()
