"""Reading the settings from the environment for a process that starts; refusals name the variable, never its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from canonical.errors import ConfigurationError
from config.settings import Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def read_settings(**overrides: Any) -> Settings:
    """Return the settings of this process: ``overrides`` (field name → value), then ``WRITEBACK_*``, then defaults.

    Raises :class:`ConfigurationError` naming every variable that is wrong: correct them and start again.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        wrong = "; ".join(_told(detail) for detail in error.errors())
        raise ConfigurationError(f"Nothing was started. {wrong}.") from None
    except SettingsError as error:
        # Its text names the field of a variable that is not JSON, and no value.
        raise ConfigurationError(f"Nothing was started. A WRITEBACK_ variable is not JSON: {error}.") from None


def _told(detail: ErrorDetails) -> str:
    name = "_".join(str(part) for part in detail["loc"]).upper()
    message = detail["msg"].removeprefix("Value error, ")
    return f"WRITEBACK_{name}: {message}" if name else message
