"""A hospital for one machine: the sandbox as EHR and issuer, the apps it knows, and the files that say so.

It makes keys and files; it starts nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from types import MappingProxyType
from typing import Any

from cryptography.fernet import Fernet
from joserfc.jwk import ECKey

from canonical.ports import Timings
from cli.sandbox_neighbour import Neighbour
from cli.service_client import Profile
from processes.data_directory import private_directory

TENANT = "north"
CONNECTION = "north-r4"
AUDIENCE = "writeback"
#: Through which system the hospital's own people work in the chart (`meta.source`).
WORKSTATION = "urn:example:ward-workstation"
#: OAuth client of the service itself, at the EHR.
SERVICE = "writeback-service"
_READ = ("Patient", "Encounter", "MedicationRequest")
_WRITTEN = (
    *("Observation", "MedicationStatement", "AllergyIntolerance", "Condition", "DocumentReference", "Communication"),
    *("Task", "QuestionnaireResponse", "Immunization", "ServiceRequest", "List"),
)
#: Who and what made an entry is written beside it once, and never changed.
_BESIDE = "system/Provenance.crs"
_SERVICE_SCOPES = " ".join(
    [*(f"system/{name}.rs" for name in _READ), _BESIDE, *(f"system/{name}.crus" for name in _WRITTEN)]
)
#: The upstream apps, and what each may do; the last one is the desk that keeps consents and switches.
APPS = MappingProxyType(
    {
        "ward": "writeback/VitalReading.*",
        "pharmacy": "writeback/MedicationChange.*",
        "desk": "writeback/consents writeback/admin",
    }
)
#: The review pages at the sandbox as OpenID provider, and what its people's own tokens may open.
REVIEW = "writeback-review"
_REVIEW_SCOPES = "writeback/cases"
#: Who can log in there: what colleagues call them, and their role. Two pharmacists, because some decisions need two.
PEOPLE = MappingProxyType(
    {
        "nora-lind": ("Nora Lind", "nurse"),
        "paul-abara": ("Paul Abara", "pharmacist"),
        "petra-silva": ("Petra Silva", "pharmacist"),
        "dan-roth": ("Dan Roth", "prescriber"),
        "olga-meyer": ("Olga Meyer", "ops-engineer"),
    }
)


@dataclass(frozen=True, kw_only=True)
class SandboxSite:
    """The files of one such hospital; `origin` is the sandbox's address, `api_url` that of the service."""

    folder: Path
    origin: str
    api_url: str
    neighbours: tuple[Neighbour, ...] = ()

    @property
    def connections_file(self) -> Path:
        return self.folder / "connections.toml"

    @property
    def clients_file(self) -> Path:
        """What the sandbox knows of the apps and the service."""
        return self.folder / "clients.json"

    @property
    def apps_file(self) -> Path:
        """Whose signed messages are taken from the broker."""
        return self.folder / "apps.toml"

    @property
    def token_key_file(self) -> Path:
        """What seals the access tokens that the processes share."""
        return self.folder / "token.key"

    @property
    def people_file(self) -> Path:
        """Who can log in to the review pages, as the sandbox knows them."""
        return self.folder / "people.json"

    @property
    def review_secret_file(self) -> Path:
        """What the review pages prove themselves with at the sandbox."""
        return self.folder / "review.secret"

    @property
    def session_key_file(self) -> Path:
        """What seals the sessions of the review pages."""
        return self.folder / "session.key"

    @property
    def sandbox_dir(self) -> Path:
        return self.folder / "sandbox"

    @property
    def admin_token(self) -> str:
        """The secret of the sandbox's side door; to be read after it was started."""
        return (self.sandbox_dir / "admin-token").read_text(encoding="ascii").strip()

    @property
    def sandbox(self) -> tuple[list[str], str]:
        """The arguments of `writeback sandbox`, and where it will be."""
        port = self.origin.rpartition(":")[2]
        words = ["--data-dir", str(self.sandbox_dir), "--port", port, "--clients-file", str(self.clients_file)]
        return [*words, "--people-file", str(self.people_file)], self.origin

    @property
    def environment(self) -> dict[str, str]:
        """What the service's processes are told about this hospital."""
        return {
            "WRITEBACK_CONNECTIONS_FILE": str(self.connections_file),
            "WRITEBACK_ISSUER": self.origin,
            "WRITEBACK_JWKS_URL": f"{self.origin}/oauth/jwks",
            "WRITEBACK_AUDIENCE": AUDIENCE,
            "WRITEBACK_APPS_FILE": str(self.apps_file),
            "WRITEBACK_TOKEN_KEY_FILE": str(self.token_key_file),
            "WRITEBACK_REVIEW_ISSUER": self.origin,
            "WRITEBACK_REVIEW_CLIENT_ID": REVIEW,
            "WRITEBACK_REVIEW_CLIENT_SECRET_FILE": str(self.review_secret_file),
            "WRITEBACK_REVIEW_SESSION_KEY_FILE": str(self.session_key_file),
            "WRITEBACK_REVIEW_URL": self.api_url,
        }

    def profile(self, app: str) -> Profile:
        """Return how `app` speaks to the service."""
        return Profile(
            api_url=self.api_url,
            token_url=f"{self.origin}/oauth/token",
            audience=AUDIENCE,
            client_id=app,
            key_file=self._key_file(app),
        )

    def prepare(self, timings: Timings) -> None:
        """Make the keys that are missing and write the files anew."""
        private_directory(self.folder)
        public = {name: self._public_key(name) for name in (SERVICE, *APPS)}
        for file in (self.token_key_file, self.session_key_file):
            _secret(file, lambda: Fernet.generate_key().decode("ascii"))
        _secret(self.review_secret_file, lambda: token_urlsafe(32))
        _secret(self.people_file, str)
        self.people_file.write_text(json.dumps(self._people(), indent=1), encoding="utf-8")
        self.clients_file.write_text(json.dumps(_clients(public), indent=1), encoding="utf-8")
        for neighbour in self.neighbours:
            neighbour.prepare(self.folder, client_id=SERVICE, jwk=public[SERVICE])
        connections = [self._connection(timings), *map(self._neighbouring(timings), self.neighbours)]
        self.connections_file.write_text("\n".join(connections), encoding="utf-8")
        self.apps_file.write_text(_apps(public), encoding="utf-8")
        for app in APPS:
            self.profile(app).write(self.folder / f"{app}.json")

    def _people(self) -> dict[str, Any]:
        pages = {
            "client_id": REVIEW,
            "client_secret": self.review_secret_file.read_text(encoding="ascii"),
            "redirect_uris": [f"{self.api_url}/review/callback"],
            "post_logout_redirect_uris": [f"{self.api_url}/review/logout"],
            "audience": AUDIENCE,
            "scopes": _REVIEW_SCOPES,
        }
        people = [
            {"sub": sub, "name": name, "roles": [role], "tenant": TENANT, "fhirUser": f"Practitioner/{sub}"}
            for sub, (name, role) in PEOPLE.items()
        ]
        return {"people": people, "web_clients": [pages]}

    def _key_file(self, name: str) -> Path:
        return self.folder / f"{name}.key.json"

    def _public_key(self, name: str) -> dict[str, Any]:
        file = self._key_file(name)
        _secret(file, lambda: json.dumps(ECKey.generate_key("P-384", auto_kid=True).as_dict(private=True)))
        return ECKey.import_key(json.loads(file.read_text(encoding="ascii"))).as_dict(private=False)

    def _connection(self, timings: Timings) -> str:
        return f"""[[connection]]
tenant = "{TENANT}"
name = "{CONNECTION}"
adapter = "fhir_r4"
base_url = "{self.origin}/fhir"

[connection.options]
ehr_name = "North Hospital"
systems = {{ "{WORKSTATION}" = "the ward's workstation" }}

[connection.auth]
kind = "private_key_jwt"
token_url = "{self.origin}/oauth/token"
client_id = "{SERVICE}"
key_file = "{self._key_file(SERVICE).name}"
alg = "ES384"
scope = "{_SERVICE_SCOPES}"

{_timings(timings)}"""

    def _neighbouring(self, timings: Timings) -> Callable[[Neighbour], str]:
        key_file = self._key_file(SERVICE).name
        return lambda it: it.connection(tenant=TENANT, client_id=SERVICE, key_file=key_file) + _timings(timings)


def _secret(file: Path, make: Callable[[], str]) -> None:
    """Keep what `make` gives in a file that only its owner can read, unless there is one."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(make(), encoding="ascii")


def _timings(timings: Timings) -> str:
    return f"""[connection.timings]
request = {timings.request.total_seconds()}
slowest_commit = {timings.slowest_commit.total_seconds()}
search_lag = {timings.search_lag.total_seconds()}
margin = {timings.margin.total_seconds()}
send_within = {timings.send_within.total_seconds()}
"""


def _clients(public: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    service = {"client_id": SERVICE, "jwks": {"keys": [public[SERVICE]]}, "scopes": _SERVICE_SCOPES}
    apps = [
        {
            "client_id": app,
            "jwks": {"keys": [public[app]]},
            "audiences": {AUDIENCE: {"scopes": scopes, "claims": {"tenant": TENANT}}},
        }
        for app, scopes in APPS.items()
    ]
    return [service, *apps]


def _apps(public: dict[str, dict[str, Any]]) -> str:
    entries = [
        f'[[app]]\nname = "{app}"\ntenant = "{TENANT}"\nscopes = {json.dumps(scopes.split())}\n'
        f"jwks = {json.dumps(json.dumps({'keys': [public[app]]}))}\n"
        for app, scopes in APPS.items()
    ]
    return "\n".join(entries)
