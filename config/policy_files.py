"""The policy files: TOML to :class:`canonical.policy.PolicySet`, an installation's own folder over the shipped one.

One file for each action (``medication_change.toml`` for ``MedicationChange``), ``queue.toml`` for the queue, and, in an
installation's folder, ``high_alert_medicines.toml`` in place of the shipped list. A file of an installation is laid over the
shipped one member by member. ``people.toml`` is read elsewhere.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from canonical.action import action_specs
from canonical.errors import ConfigurationError
from canonical.high_alert import HighAlertList, read_list, shipped_list
from canonical.policy import ActionPolicy, PolicySet
from canonical.policy_rows import PolicyFile, objections, resolve
from canonical.queue_policy import QueuePolicy

#: The policies that this product brings.
SHIPPED: Traversable = files("config") / "policies"
QUEUE = "queue.toml"
HIGH_ALERT = "high_alert_medicines.toml"
#: Files of the same folder that are somebody else's to read.
NOT_POLICIES = frozenset({"people.toml"})
Toml = dict[str, Any]
Model = TypeVar("Model", PolicyFile, QueuePolicy)


def read_policies(folder: Path | None = None) -> PolicySet:
    """Return the policies in force: those shipped, and ``folder`` (an installation's own) over them.

    Raises :class:`ConfigurationError` naming the file and every row that may not be used.
    """
    tables = _tables(SHIPPED)
    own = _tables(folder) if folder is not None else {}
    medicines = own.pop(HIGH_ALERT, None)
    for name, table in own.items():
        tables[name] = _laid_over(tables.get(name, {}), table)
    known = {f"{_snake(name)}.toml": name for name in action_specs()}
    strange = sorted(set(tables) - set(known) - {QUEUE})
    if strange:
        raise ConfigurationError(f"{strange[0]}: no action is called so. Files: {', '.join(sorted([*known, QUEUE]))}.")
    actions = {known[name]: _action(name, known[name], table) for name, table in tables.items() if name != QUEUE}
    if QUEUE not in tables:
        raise ConfigurationError(f"{QUEUE} is missing.")
    return PolicySet(
        actions=dict(sorted(actions.items())),
        queue=_queue(tables[QUEUE]),
        high_alert=shipped_list() if medicines is None else _medicines(folder, medicines),
    )


def overdue(policies: PolicySet, today: date) -> tuple[str, ...]:
    """Return, for each file whose review is overdue on ``today``, a sentence that names it and who answers for it."""
    dated = [(f"{_snake(name)}.toml", policy.owner, policy.next_review) for name, policy in policies.actions.items()]
    dated.append((QUEUE, policies.queue.owner, policies.queue.next_review))
    dated.append((HIGH_ALERT, policies.high_alert.owner, policies.high_alert.next_review))
    return tuple(
        f"{name} was to be reviewed by {due} by its owner, {owner}" for name, owner, due in dated if due and due < today
    )


def _tables(folder: Traversable) -> dict[str, Toml]:
    try:
        found = sorted(folder.iterdir(), key=lambda file: file.name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"The folder of policies {folder} cannot be read: {reason}. Name it in WRITEBACK_POLICIES_DIR."
        ) from None
    names = (file for file in found if file.name.endswith(".toml") and file.name not in NOT_POLICIES)
    return {file.name: _toml(file) for file in names}


def _toml(file: Traversable) -> Toml:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror or type(error).__name__}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None


def _laid_over(below: Toml, above: Toml) -> Toml:
    """Return ``above`` over ``below``: tables member by member, everything else whole."""
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _laid_over(merged[name], value) if both else value
    return merged


def _action(name: str, action: str, table: Mapping[str, Any]) -> ActionPolicy:
    spec = action_specs()[action]
    file = _validated(name, PolicyFile, table)
    if file.action != action:
        raise ConfigurationError(f"{name}: action: this file is for {action}.")
    wrong = objections(spec, file)
    if wrong:
        raise ConfigurationError(f"{name}: {'; '.join(wrong)}.")
    return resolve(spec, file)


def _queue(table: Mapping[str, Any]) -> QueuePolicy:
    return _validated(QUEUE, QueuePolicy, table)


def _validated(name: str, model: type[Model], table: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {'; '.join(_lines(error))}.") from None


def _lines(error: ValidationError) -> Iterator[str]:
    for detail in error.errors():
        place = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message


def _medicines(folder: Path | None, table: Mapping[str, Any]) -> HighAlertList:
    try:
        return read_list(table)
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"{folder}/{HIGH_ALERT}: {error.args[0]} is missing or not of its kind.") from None


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
