"""How a connection says that its EHR may notify us: the words of the file, and what is refused by name."""

from pathlib import Path

import pytest

from canonical.errors import ConfigurationError
from config.connections import read_connections

HEAD = """
[[connection]]
tenant = "north"
name = "north-r4"
adapter = "fhir_r4"
base_url = "http://127.0.0.1:9/fhir"
"""


def read(folder: Path, table: str) -> dict[str, str]:
    file = folder / "connections.toml"
    file.write_text(HEAD + table)
    (settings,) = read_connections(file)
    return dict(settings.notifications)


def test_without_a_table_nothing_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, "") == {}


def test_a_secret_is_named_beside_the_file_and_not_read(tmp_path: Path) -> None:
    table = '[connection.notifications]\nkind = "signed"\nsecret_file = "keys/hook"\n'
    said = {"kind": "signed", "secret_file": str(tmp_path / "keys" / "hook"), "tolerance": "300"}
    assert read(tmp_path, table) == said
    assert read(tmp_path, '[connection.notifications]\nkind = "header"\nsecret_env = "HOOK"\n') == {
        "kind": "header",
        "secret_env": "HOOK",
    }


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('kind = "none"', "kind must be one of"),
        ('kind = "signed"', "either secret_file or secret_env"),
        ('kind = "header"\nsecret_file = "a"\nsecret_env = "B"', "either secret_file or secret_env"),
        ('kind = "header"\nsecret = "of-the-hook"', "secret"),
        ('kind = "signed"\nsecret_env = "A"\ntolerance = 86400', "tolerance"),
    ],
)
def test_what_is_wrong_is_named_and_never_shown(tmp_path: Path, table: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as refused:
        read(tmp_path, f"[connection.notifications]\n{table}\n")
    assert "of-the-hook" not in str(refused.value)
