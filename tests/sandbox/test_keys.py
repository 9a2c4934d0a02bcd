from pathlib import Path

from sandbox.keys import load_admin_token, load_signing_key, public_set


def test_the_signing_key_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    first = load_signing_key(file)
    assert load_signing_key(file).thumbprint() == first.thumbprint()
    assert load_signing_key(file).kid == first.kid
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_published_set_holds_no_secret(tmp_path: Path) -> None:
    key = load_signing_key(tmp_path / "key.json")
    (published,) = public_set(key)["keys"]
    assert published["kid"] == key.kid
    assert "d" not in published


def test_the_admin_secret_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "admin-token"
    token = load_admin_token(file)
    assert len(token) >= 32
    assert load_admin_token(file) == token
    assert file.stat().st_mode & 0o777 == 0o600
