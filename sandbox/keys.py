"""The key the sandbox signs its access tokens with, kept in the data folder; not a client's key."""

import json
import os
import secrets
from pathlib import Path

from joserfc.jwk import KeySetSerialization, RSAKey

ALGORITHM = "RS256"


def load_signing_key(path: Path) -> RSAKey:
    """The key kept at `path`; made, and kept readable by the owner only, when there is none."""
    if path.exists():
        return RSAKey.import_key(json.loads(path.read_text()))
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    keep_secret(path, json.dumps(key.as_dict(private=True)))
    return key


def public_set(key: RSAKey) -> KeySetSerialization:
    """The JWKS others verify our tokens with."""
    return {"keys": [key.as_dict(private=False)]}


def load_admin_token(path: Path) -> str:
    """The secret of the admin endpoint kept at `path`; made when there is none."""
    if path.exists():
        return path.read_text().strip()
    token = secrets.token_urlsafe(32)
    keep_secret(path, token)
    return token


def keep_secret(path: Path, text: str) -> None:
    """Write a file only its owner can read; whole or not at all."""
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
