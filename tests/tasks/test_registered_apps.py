import json
from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OctKey

from canonical.errors import ConfigurationError
from tasks.registered_apps import read_message_key, read_registered_apps

KEY = ECKey.generate_key("P-256", auto_kid=True)


def entry(name: str = "visits", keys: str | None = None) -> str:
    jwks = keys if keys is not None else json.dumps({"keys": [KEY.as_dict(private=False)]})
    return f'[[app]]\nname = "{name}"\ntenant = "north"\nscopes = ["writeback/*.*"]\njwks = {json.dumps(jwks)}\n'


def test_an_app_speaks_for_the_tenant_of_its_registration(tmp_path: Path) -> None:
    file = tmp_path / "apps.toml"
    file.write_text(entry())
    (app,) = read_registered_apps(file).values()
    assert (app.principal.tenant, app.principal.app, app.principal.user) == ("north", "visits", None)
    assert app.principal.may("VitalReading", "record")
    assert app.keys.keys[0].kid == KEY.kid


def test_without_a_file_no_app_is_registered() -> None:
    assert read_registered_apps(None) == {}
    assert read_message_key(None) is None


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        "",
        '[[app]]\nname = "visits"\n',
        entry() + entry(),
        entry(name="a b"),
        entry(keys="not json"),
        entry(keys="{}"),
        entry(keys=json.dumps({"keys": []})),
        entry(keys=json.dumps({"keys": [OctKey.generate_key(256).as_dict(private=True)]})),
        entry().replace("[[app]]", "[[application]]"),
        entry() + "secret = 1\n",
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "apps.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError):
        read_registered_apps(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"apps\.toml"):
        read_registered_apps(tmp_path / "apps.toml")


def test_only_a_private_key_can_read_messages(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    for text in (json.dumps(KEY.as_dict(private=False)), "no key", "[]"):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=r"key\.json"):
            read_message_key(file)
    file.write_text(json.dumps(KEY.as_dict(private=True)))
    key = read_message_key(file)
    assert key is not None
    assert key.is_private
