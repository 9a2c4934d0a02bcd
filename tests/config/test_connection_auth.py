from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.errors import ConfigurationError
from config.connections import read_connections

CONNECTION = """
[[connection]]
tenant = "north"
name = "north-r4"
adapter = "fhir_r4"
base_url = "https://ehr.example/fhir"
[connection.auth]
"""
KEY = """
kind = "private_key_jwt"
token_url = "https://ehr.example/token"
client_id = "writeback"
key_file = "keys/north.jwk"
scope = "system/Observation.crus system/Patient.read"
"""
SECRET = """
kind = "client_secret_basic"
token_url = "https://ehr.example/token"
client_id = "writeback"
client_secret_file = "keys/north.secret"
scope = "everything-of-this-vendor"
"""
RPC = """
kind = "rpc_token"
token_url = "https://ehr.example/GetToken"
username = "svc"
app_name = "writeback"
idle = 600
password_env = "NORTH_PASSWORD"
"""


def auth(folder: Path, text: str) -> dict[str, str]:
    file = folder / "connections.toml"
    file.write_text(CONNECTION + text, encoding="utf-8")
    (connection,) = read_connections(file)
    return dict(connection.auth)


def test_each_kind_is_read_with_its_files_beside_the_file_of_connections(tmp_path: Path) -> None:
    assert auth(tmp_path, KEY)["key_file"] == str(tmp_path / "keys" / "north.jwk")
    assert auth(tmp_path, SECRET)["client_secret_file"] == str(tmp_path / "keys" / "north.secret")
    in_form = auth(tmp_path, SECRET.replace("basic", "post"))
    assert in_form["kind"] == "client_secret_post"
    rpc = auth(tmp_path, RPC)
    assert (rpc["idle"], rpc["password_env"]) == ("600", "NORTH_PASSWORD")
    assert "password_file" not in rpc


@pytest.mark.parametrize("name", ["resource", "audience", "aud", "assertion_audience"])
def test_what_a_server_wants_besides_is_passed_on(tmp_path: Path, name: str) -> None:
    assert auth(tmp_path, f'{KEY}\n{name} = "https://ehr.example/fhir"')[name] == "https://ehr.example/fhir"


@pytest.mark.parametrize(
    ("text", "old", "new", "says"),
    [
        (SECRET, 'client_secret_file = "keys/north.secret"', 'client_secret = "hunter2"', "client_secret: Extra"),
        (SECRET, 'client_secret_file = "keys/north.secret"', "", "client_secret_file or client_secret_env"),
        (SECRET, "scope =", 'client_secret_env = "HUNTER2"\nscope =', "client_secret_file or client_secret_env"),
        (SECRET, "https://ehr.example/token", "http://hunter2.example/token", "it carries credentials"),
        (SECRET, "https://ehr.example/token", "https://a:hunter2@ehr.example/token", "neither credentials nor a query"),
        (SECRET, 'scope = "everything-of-this-vendor"', "", "scope: Field required"),
        (KEY, "Observation.crus", "Observation.urc", "in the order c r u d s"),
        (KEY, "Observation.crus", "Observation.", "in the order c r u d s"),
        (KEY, 'kind = "private_key_jwt"', 'kind = "password"', "kind must be one of"),
        (RPC, "idle = 600", "", "idle: Field required"),
        (RPC, "idle = 600", "idle = 5", "idle"),
        (RPC, 'password_env = "NORTH_PASSWORD"', 'password = "hunter2"', "password: Extra"),
        (RPC, 'password_env = "NORTH_PASSWORD"', "", "password_file or password_env"),
        (RPC, 'username = "svc"', "", "username: Field required"),
    ],
)
def test_what_is_wrong_is_named_by_its_field_and_never_by_its_value(
    tmp_path: Path, text: str, old: str, new: str, says: str
) -> None:
    assert old in text
    with pytest.raises(ConfigurationError) as refused:
        auth(tmp_path, text.replace(old, new))
    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value).lower()


@given(rights=st.lists(st.sampled_from("cruds"), min_size=1, max_size=5, unique=True).map("".join))
def test_rights_are_taken_in_one_order_only(tmp_path_factory: pytest.TempPathFactory, rights: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    text = KEY.replace("crus", rights)
    ordered = "".join(letter for letter in "cruds" if letter in rights)
    assert ordered in {"".join(letters) for letters in permutations(rights)}
    if rights == ordered:
        assert f"Observation.{rights} " in auth(folder, text)["scope"]
    else:
        with pytest.raises(ConfigurationError, match="c r u d s"):
            auth(folder, text)
