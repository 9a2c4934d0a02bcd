"""The page for senders: its example is run as it stands, and its table of codes is the one the door answers with."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from joserfc.jwk import ECKey

from api.problems import PROBLEMS
from config.wiring import Services
from tasks.receive import Receipt
from tests.factories import NOW, as_bytes, envelope_json
from tests.reception import APP, TENANT, give_consent, open_services

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/celery-door.md").read_text(encoding="utf-8")
KEY = ECKey.generate_key("P-256", auto_kid=True)
#: Where the door names the reason for which it refuses.
DOOR = [ROOT / "tasks" / name for name in ("message.py", "receive_message.py", "keeping_consumer.py")]
REASON = re.compile(r'(?:_token_error|_body_error|_refused|RefusedError)\(\s*"([a-z-]+)"|_keep\(message, "([a-z-]+)"')


@pytest.fixture
def sender() -> dict[str, Any]:
    """What the page's example defines, on the tests' clock."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    defined: dict[str, Any] = {}
    exec(compile(code, "docs/celery-door.md", "exec"), defined)
    defined["time"] = SimpleNamespace(time=NOW.timestamp)
    return defined


@pytest.fixture
def services(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Services]:
    apps = tmp_path / "apps.toml"
    jwks = json.dumps(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    scopes = '["writeback/VitalReading.*"]'
    apps.write_text(f'[[app]]\nname = "{APP}"\ntenant = "{TENANT}"\nscopes = {scopes}\njwks = {jwks}\n')
    with open_services(database_url, redis_url, tmp_path, apps_file=apps) as services:
        give_consent(services)
        yield services


@pytest.mark.parametrize("key", ["visit-17", None])
def test_what_the_example_makes_is_accepted(sender: dict[str, Any], services: Services, key: str | None) -> None:
    said = sender["message"](as_bytes(envelope_json()).decode(), app_name=APP, signing_key=KEY, key=key)
    answer = services.message_door.handle_message(said)
    assert isinstance(answer, Receipt), answer


def test_what_the_example_sends_is_on_the_queue_and_shows_nothing(sender: dict[str, Any], redis_url: str) -> None:
    said = {"schemaVersion": "1", "body": "72.50 kg", "token": "t"}
    task_id = sender["send"](said, broker_url=redis_url, environment="docs")
    with redis.Redis.from_url(redis_url) as broker:
        (queued,) = broker.lrange("wb:docs:wb.receive", 0, -1)
    message = json.loads(queued)
    assert json.loads(base64.b64decode(message["body"]))[0] == [said]
    assert (message["headers"]["task"], message["headers"]["id"]) == ("command.receive", task_id)
    assert "72.50" not in json.dumps(message["headers"])


def test_every_reason_of_the_door_is_on_the_page_and_no_other() -> None:
    (table,) = re.findall(r"\| code \| meaning \|\n\|---\|---\|\n(.*)", PAGE, flags=re.DOTALL)
    told = re.findall(r"^\| `([a-z-]+)` \|", table, flags=re.MULTILINE)
    found = {one or two for file in DOOR for one, two in REASON.findall(file.read_text(encoding="utf-8"))}
    assert sorted(told) == sorted(found - set(PROBLEMS))
