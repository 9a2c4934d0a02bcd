"""Field picks as they are typed at a terminal: ``--field dosage=chart``, ``--value dosage={…}``; nothing is decided here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from canonical import exact_json
from canonical.review_desk import Pick
from cli.errors import CannotDo

#: What stands for the content of a file: command lines are seen by everybody on the machine.
_FILE = "@"


def typed(text: str) -> str:
    """Return ``text``, or the content of the file that ``@FILE`` names.

    Raises:
        CannotDo: the file cannot be read; nothing was sent.
    """
    if not text.startswith(_FILE):
        return text
    file = Path(text.removeprefix(_FILE))
    try:
        return file.read_bytes().decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise CannotDo(f"{file} cannot be read as UTF-8 text; nothing was sent.") from None


def picks(fields: Sequence[str], values: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the picks of a decision, field name → ``{"pick": …}``; a value makes its field ``another``.

    Raises:
        CannotDo: one of them is none, or a field is named twice; nothing was sent.
    """
    found: dict[str, dict[str, Any]] = {}
    for given in fields:
        name, pick = _pair(given, "--field NAME=chart, =proposal or =another")
        if pick not in set(Pick):
            raise CannotDo(f"--field {name}: say chart, proposal or another. Nothing was sent.")
        _add(found, name, {"pick": pick})
    for given in values:
        name, text = _pair(given, "--value NAME=JSON")
        if found.get(name) == {"pick": Pick.ANOTHER.value}:
            del found[name]
        _add(found, name, {"pick": Pick.ANOTHER.value, "value": _value(name, text)})
    lacking = [name for name, pick in found.items() if pick == {"pick": Pick.ANOTHER.value}]
    if lacking:
        raise CannotDo(f"Type the other value too: {', '.join(f'--value {name}=…' for name in lacking)}.")
    return found


def parts(given: Sequence[str]) -> dict[str, str]:
    """Return how each part is taken back, its place → the way; what is not named stays.

    Raises:
        CannotDo: one of them is none, or a part is named twice; nothing was sent.
    """
    found: dict[str, str] = {}
    for item in given:
        place, way = _pair(item, "--part SEQ=WAY, such as 2=retract")
        if not (place.isascii() and place.isdecimal()) or place in found:
            raise CannotDo(f"--part {place}: name each part once, by its number. Nothing was sent.")
        found[place] = way
    return found


def _pair(given: str, form: str) -> tuple[str, str]:
    name, found, rest = given.partition("=")
    if not (name and found and rest):
        raise CannotDo(f"Write it as {form}. Nothing was sent.")
    return name, rest


def _add(found: dict[str, dict[str, Any]], name: str, pick: dict[str, Any]) -> None:
    if name in found:
        raise CannotDo(f"The field {name} is decided twice. Nothing was sent.")
    found[name] = pick


def _value(name: str, text: str) -> Any:
    try:
        return exact_json.parse(typed(text))
    except exact_json.InvalidJsonError as error:
        raise CannotDo(f"--value {name} is {error}. Nothing was sent.") from None
