"""What the sandbox is told at start and may be told later; reads no environment."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Seconds = Annotated[float, Field(ge=0, le=3600)]


class Behaviour(BaseModel):
    """How this EHR differs from the next; each field may change while it runs (`PATCH /admin/settings`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: No token is asked for under /fhir. For tests only.
    open: bool = False
    #: Status of an update whose If-Match names an older version: R4 says 412, several vendors say 409.
    stale_status: Literal[409, 412] = 412
    #: An update without If-Match: taken, or refused with 400.
    missing_if_match: Literal["accept", "reject"] = "accept"
    #: Version ids: "1", "2", … or opaque.
    version_ids: Literal["counter", "uuid"] = "counter"
    #: If-None-Exist: honoured and atomic, or silently ignored as several vendors do.
    if_none_exist: Literal["honour", "ignore"] = "honour"
    #: PUT on an id that was never used: creates it, or is refused with 405.
    update_create: bool = False
    #: Status of a resource that breaks its definition.
    invalid_status: Literal[400, 422] = 422
    #: A subject, patient or encounter that is not in the chart: refused with 422, or taken unseen.
    unknown_reference: Literal["reject", "accept"] = "reject"
    #: A search parameter that is not supported: refused with 400, or left out of the search.
    unknown_search: Literal["reject", "ignore"] = "reject"
    #: What a write answers when the client has no preference.
    default_return: Literal["representation", "minimal"] = "representation"
    #: Waited before every commit.
    commit_delay_s: Seconds = 0.0
    #: Bytes of a request body; more is refused with 413.
    max_body_bytes: Annotated[int, Field(ge=1)] = 1_048_576
    #: Life of an access token.
    token_ttl_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    #: Resources of a search page when the client names no `_count`, and the most it may name.
    page_size: Annotated[int, Field(ge=1)] = 50
    max_page_size: Annotated[int, Field(ge=1)] = 1000


class SandboxSettings(Behaviour):
    """One sandbox process: where it listens, where it keeps its files, and how it behaves at start.

    Args:
        host: address to listen on.
        port: TCP port; 0 takes a free one, which the ready line names.
        data_dir: folder of the SQLite file, the signing key and the admin secret; made when missing.
        admin_token: secret of `/admin`; without one, a secret is made and kept in `data_dir/admin-token`.
        public_url: address others reach it by (scheme, host, port); without one, `http://host:port`.
        clients_file: JSON list of registered OAuth clients, read at start.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    data_dir: Path
    admin_token: SecretStr | None = None
    public_url: str | None = None
    clients_file: Path | None = None

    def behaviour(self) -> Behaviour:
        return Behaviour.model_validate(self.model_dump(include=set(Behaviour.model_fields)))
