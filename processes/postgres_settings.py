"""What our PostgreSQL is told: durable, quick to notice a lost client, and silent about clinical content."""

from collections.abc import Mapping
from types import MappingProxyType

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        # A receipt promises that the command is on disk.
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "shared_buffers": "64MB",
        "max_connections": "120",
        # A worker whose host vanished must lose its session, and with it its lane lock, within half a minute
        # and not after the two hours of TCP's default; no session is ended for idling: it may hold a lane.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "20s",
        "idle_session_timeout": "0",
        # Statements, parameters and the values quoted in errors are clinical content: none is logged.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_statement": "none",
        "log_min_duration_statement": "-1",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "logging_collector": "off",
    }
)
