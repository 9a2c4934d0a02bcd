"""Another hospital on the same machine: a sandbox that plays the EHR of another vendor, and the connection to it.

It makes files; it starts nothing.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What the service may do there: look who it is, and write readings.
_SCOPES = "system/Patient.rs system/Encounter.rs system/Observation.crus"
_BY_KEY = "private_key_jwt"


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """One such hospital; its files are in the folder of the site that it stands beside.

    Args:
        name: of its connection.
        adapter: what writes to it, and which EHR its sandbox plays.
        origin: address of its sandbox.
        auth: the kind of proof of who the service is.
        options: of the connection.
    """

    name: str
    adapter: str
    origin: str
    auth: str
    options: Mapping[str, Any]

    def prepare(self, folder: Path, *, client_id: str, jwk: Mapping[str, Any]) -> None:
        """Write what the sandbox knows of the service: its public key, or a secret that is made when it is missing."""
        client: dict[str, Any] = {"client_id": client_id, "scopes": _SCOPES, "jwks": {"keys": [jwk]}}
        if self.auth != _BY_KEY:
            client["client_secret"] = self._secret(folder)
        self._clients_file(folder).write_text(json.dumps([client], indent=1), encoding="utf-8")

    def sandbox(self, folder: Path) -> tuple[list[str], str]:
        """Return the arguments of `writeback sandbox`, and where it will be."""
        port = self.origin.rpartition(":")[2]
        files = ["--data-dir", str(self._data_dir(folder)), "--clients-file", str(self._clients_file(folder))]
        return ["--personality", self.adapter, "--port", port, *files], self.origin

    def admin_token(self, folder: Path) -> str:
        """Return the secret of the sandbox's side door; to be read after it was started."""
        return (self._data_dir(folder) / "admin-token").read_text(encoding="ascii").strip()

    def connection(self, *, tenant: str, client_id: str, key_file: str) -> str:
        """Return the connection as the file of connections has it, without its timings."""
        proof = f'key_file = "{key_file}"\nalg = "ES384"' if self.auth == _BY_KEY else self._secret_line()
        options = "\n".join(f"{name} = {_toml(value)}" for name, value in self.options.items())
        return f"""[[connection]]
tenant = "{tenant}"
name = "{self.name}"
adapter = "{self.adapter}"
base_url = "{self.origin}/fhir"

[connection.auth]
kind = "{self.auth}"
token_url = "{self.origin}/oauth/token"
client_id = "{client_id}"
{proof}
scope = "{_SCOPES}"

[connection.options]
{options}

"""

    def _secret_line(self) -> str:
        return f'client_secret_file = "{self._secret_file(Path()).name}"'

    def _secret(self, folder: Path) -> str:
        file = self._secret_file(folder)
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(32), encoding="ascii")
        return file.read_text(encoding="ascii")

    def _secret_file(self, folder: Path) -> Path:
        return folder / f"{self.name}.secret"

    def _clients_file(self, folder: Path) -> Path:
        return folder / f"{self.name}.clients.json"

    def _data_dir(self, folder: Path) -> Path:
        return folder / f"sandbox-{self.name}"


def _toml(value: Any) -> str:
    """Return a value of the options as TOML; texts, numbers, truths, lists and tables of these."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)
