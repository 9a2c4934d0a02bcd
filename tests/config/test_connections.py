from datetime import timedelta
from pathlib import Path

import pytest

from canonical.errors import ConfigurationError
from canonical.ports import Proof, Timings
from config.connections import read_connections

SAFE = """
[[connection]]
tenant = "north"
name = "north-r4"
adapter = "fhir_r4"
base_url = "https://ehr.example/fhir/"
proof = "answer"
max_in_flight = 3
[connection.auth]
kind = "private_key_jwt"
token_url = "https://ehr.example/token"
client_id = "writeback"
key_file = "keys/north.jwk"
scope = "system/Observation.crus"
[connection.timings]
request = 10
slowest_commit = 0.5
search_lag = 0
[connection.options]
keeps_security_labels = true
"""
OPEN = """
[[connection]]
tenant = "north"
name = "{name}"
adapter = "fhir_r4"
base_url = "http://127.0.0.1:8080/fhir"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "connections.toml"
    file.write_text(text)
    return file


def test_a_connection_is_read_with_its_timings_in_seconds_and_its_key_beside_the_file(tmp_path: Path) -> None:
    (connection,) = read_connections(write(tmp_path, SAFE))
    assert (connection.tenant, connection.name, connection.adapter) == ("north", "north-r4", "fhir_r4")
    assert connection.base_url == "https://ehr.example/fhir"
    assert connection.proof is Proof.ANSWER
    assert connection.max_in_flight == 3
    assert connection.auth["key_file"] == str(tmp_path / "keys" / "north.jwk")
    assert connection.auth["alg"] == "RS384"
    assert connection.options == {"keeps_security_labels": True}
    assert connection.timings == Timings(
        request=timedelta(seconds=10), slowest_commit=timedelta(milliseconds=500), search_lag=timedelta(0)
    )


def test_an_ehr_on_this_machine_needs_no_authentication(tmp_path: Path) -> None:
    (connection,) = read_connections(write(tmp_path, OPEN.format(name="demo")))
    assert connection.auth == {"kind": "none"}
    assert connection.timings == Timings()


def test_two_connections_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="two connections named demo"):
        read_connections(write(tmp_path, OPEN.format(name="demo") * 2))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('adapter = "fhir_r4"', "", "adapter: Field required"),
        ('adapter = "fhir_r4"', 'adapter = "fhir_r4"\nadaptor = "x"', "adaptor: Extra inputs"),
        ("request = 10", "request = 0", "timings.request"),
        ("request = 10", 'request = "hunter2"', "timings.request"),
        ("search_lag = 0", "search_lag = -1", "timings.search_lag"),
        ("max_in_flight = 3", "max_in_flight = 0", "max_in_flight"),
        ('proof = "answer"', 'proof = "hunter2"', "proof"),
        ('kind = "private_key_jwt"', 'kind = "hunter2"', "auth"),
        ('client_id = "writeback"', "", "client_id: Field required"),
        ("https://ehr.example/fhir/", "http://ehr.example/fhir/", "must be https:// unless"),
        ("https://ehr.example/fhir/", "https://user:hunter2@ehr.example/fhir/", "neither credentials"),
        ("https://ehr.example/fhir/", "https://ehr.example/fhir?key=hunter2", "neither credentials nor a query"),
        ("https://ehr.example/fhir/", "ftp://ehr.example/", "http:// or https://"),
        ('tenant = "north"', 'tenant = "north hunter2"', "tenant"),
    ],
)
def test_a_wrong_entry_is_named_by_its_field_and_never_by_its_value(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_connections(write(tmp_path, SAFE.replace(old, new)))
    assert says in str(refused.value)
    assert "connections.toml" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_ehr_elsewhere_must_authenticate(tmp_path: Path) -> None:
    text = OPEN.format(name="demo").replace("http://127.0.0.1:8080", "https://ehr.example")
    with pytest.raises(ConfigurationError, match="needs kind = 'private_key_jwt'"):
        read_connections(write(tmp_path, text))


@pytest.mark.parametrize("text", ["", "connection = []", "[[connection"])
def test_a_file_without_any_connection_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"connections\.toml"):
        read_connections(write(tmp_path, text))


def test_a_file_that_is_not_there_is_refused_with_the_variable_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="WRITEBACK_CONNECTIONS_FILE"):
        read_connections(tmp_path / "none.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "connections.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not TOML"):
        read_connections(file)


@pytest.mark.parametrize("looks", ["-1", '"many"', "true", "1.5"])
def test_looks_that_are_no_number_are_refused_before_anything_starts(tmp_path: Path, looks: str) -> None:
    text = OPEN.format(name="north") + f"[connection.options]\nlooks_per_minute = {looks}\n"
    with pytest.raises(ConfigurationError, match="options"):
        read_connections(write(tmp_path, text))


@pytest.mark.parametrize(
    "option",
    [
        *("waiting_asked_at_once = -1", "waiting_asked_at_once = 51", "waiting_asked_at_once = true"),
        *('unacknowledged = "mail"', "unacknowledged = true", "unacknowledged = []"),
        *("accepted_within_days = 0", "accepted_within_days = 91", 'accepted_within_days = "long"'),
    ],
)
def test_terms_of_an_ehr_s_own_staff_and_of_authors_that_cannot_be_are_refused_before_anything_starts(
    tmp_path: Path, option: str
) -> None:
    text = OPEN.format(name="north") + f"[connection.options]\n{option}\n"
    with pytest.raises(ConfigurationError, match=option.partition(" ")[0]):
        read_connections(write(tmp_path, text))
