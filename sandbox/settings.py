"""What the sandbox is told at start and may be told later; reads no environment."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Seconds = Annotated[float, Field(ge=0, le=3600)]
#: "1", "2", …; from "0"; a number that is never the last one plus one; "10-1"; opaque; kept from the clients.
VersionForm = Literal["counter", "zero", "number", "dashed", "uuid", "none"]


class Behaviour(BaseModel):
    """How this EHR differs from the next; each field may change while it runs (`PATCH /admin/settings`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Which vendor's EHR this plays, and that personality's own settings.
    personality: str = "fhir_r4"
    quirks: dict[str, Any] = Field(default_factory=dict)
    #: No token is asked for under /fhir. For tests only.
    open: bool = False
    #: Seconds that its clock is ahead (behind, if negative) of the time that it is.
    clock_offset_s: Annotated[int, Field(ge=-86_400, le=86_400)] = 0

    # -- preconditions
    #: What holds an update to the version its author saw: a header, or nothing at all.
    precondition: Literal["if-match", "if-unmodified-since", "none"] = "if-match"
    #: If-Match that is no quoted tag: refused with 400, not looked at, or taken as a bare version; or W/"…" only.
    entity_tags: Literal["quoted", "quoted-or-ignored", "bare-too", "weak"] = "quoted"
    #: Status of an update whose precondition names an older version: R4 says 412, several vendors say 409.
    stale_status: Literal[409, 412] = 412
    #: An update without its precondition: taken, or refused, for these types or (none named) for all.
    missing_if_match: Literal["accept", "reject"] = "accept"
    missing_if_match_status: Literal[400, 412] = 400
    missing_if_match_types: tuple[str, ...] = ()
    #: Status of a write to what somebody else is working on (`POST /admin/lock`).
    lock_status: Literal[409, 412, 422, 423] = 423
    #: Status of a create that overlaps another one which the EHR cannot take at the same time.
    overlap_status: Literal[409, 422, 500, 503] = 422
    #: If-None-Exist: honoured and atomic; silently ignored as several vendors do; or refused with 412.
    if_none_exist: Literal["honour", "ignore", "reject"] = "honour"

    # -- what is stored
    #: Version ids, and by type where a type has its own.
    version_ids: VersionForm = "counter"
    version_ids_of: dict[str, VersionForm] = Field(default_factory=dict)
    #: type → what its ids look like, with one `{number}`; the others are UUIDs.
    id_forms: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9\-.]*\{number\}[A-Za-z0-9\-.]*$")]] = Field(
        default_factory=dict
    )
    #: The id of a POST: not looked at, or taken, and refused with 409 when it is in use.
    client_ids: Literal["ignore", "honour"] = "ignore"
    #: Identifiers that a client brings.
    identifiers: Literal["keep", "drop"] = "keep"
    #: An update that changes nothing keeps the version, or makes one.
    noop_update: Literal["keep", "bump"] = "keep"
    #: PUT on an id that was never used: creates it, or is refused with 405.
    update_create: bool = False
    #: Status of a PUT on an id that this server could never have given: it is no such resource, or no id.
    foreign_id_status: Literal[400, 405] = 405
    #: Types whose PUT creates even so.
    update_create_types: tuple[str, ...] = ()
    #: Status of a resource that breaks its definition.
    invalid_status: Literal[400, 422] = 422
    #: A subject, patient or encounter that is not in the chart: refused with 422, or taken unseen.
    unknown_reference: Literal["reject", "accept"] = "reject"
    #: What an edit made in the EHR leaves of its author: a Provenance with the name, one without, or none.
    provenance: Literal["named", "nameless", "none"] = "named"
    #: Through which system an edit came: in `meta.source`, or not told.
    meta_source: Literal["shown", "hidden"] = "shown"
    #: Waited before every commit.
    commit_delay_s: Seconds = 0.0

    # -- what is offered
    #: Status of what this EHR does not have.
    not_offered_status: Literal[403, 404, 405] = 405
    #: "Type.interaction" that this site was not given; answered 403.
    withheld: tuple[str, ...] = ()
    #: Bundles posted to the base: done, or refused.
    bundles: Literal["honour", "refuse"] = "honour"
    bundle_refused_status: Literal[400, 404, 405, 422] = 422
    #: POST with X-HTTP-Method-Override is taken for that method.
    method_override: bool = False
    #: A search parameter that is not supported: refused with 400, or left out of the search.
    unknown_search: Literal["reject", "ignore"] = "reject"
    #: A search asked for again within so many seconds gets its former answer, unless Cache-Control says no-cache.
    search_reuse_s: Seconds = 0.0
    #: Bytes of a request body; more is refused with 413.
    max_body_bytes: Annotated[int, Field(ge=1)] = 1_048_576
    #: Resources of a search page when the client names no `_count`, and the most it may name.
    page_size: Annotated[int, Field(ge=1)] = 50
    max_page_size: Annotated[int, Field(ge=1)] = 1000

    # -- what a write is answered with
    create_status: Literal[200, 201, 202] = 201
    #: What a write answers when the client has no preference: the resource, no body, or the word null.
    default_return: Literal["representation", "minimal", "null"] = "representation"
    #: Prefer: return=… is followed, or not looked at.
    prefer: Literal["honour", "ignore"] = "honour"
    #: Where a write says the resource is: `base/Type/id/_history/1`, `base/Type/id`, `Type/id`, `/Type/id`, the first
    #: one under http:// whatever the scheme, or nowhere.
    location: Literal["history", "absolute", "relative", "bare", "http-history", "none"] = "history"
    location_header: Literal["Location", "Content-Location"] = "Location"
    #: Whether answers carry the version as ETag.
    etags: bool = True
    #: Content-Type of an answer to a write that has no body, where it has one.
    empty_content_type: str | None = None
    #: Header with an id of the EHR's own for each answer.
    request_id_header: str | None = None

    # -- how much and by whom
    #: Requests per wall-clock minute and those at the token endpoint; more are refused with 429 until the next minute.
    calls_per_minute: Annotated[int, Field(ge=1)] | None = None
    token_calls_per_minute: Annotated[int, Field(ge=1)] | None = None
    #: Requests per day (UTC); more are refused with 429 until midnight.
    calls_per_day: Annotated[int, Field(ge=1)] | None = None
    #: Whether requests for tokens count among `calls_per_minute`.
    tokens_count_as_calls: bool = False
    #: What a 429 says about coming back.
    throttle_hint: Literal["none", "retry-after", "rate-limit"] = "none"
    #: Life of an access token.
    token_ttl_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    #: How clients prove who they are at the token endpoint.
    token_auth: tuple[Literal["private_key_jwt", "client_secret_basic", "client_secret_post"], ...] = (
        "private_key_jwt",
    )
    assertion_algorithms: tuple[Literal["RS384", "ES384"], ...] = ("RS384", "ES384")
    #: Characters of an assertion's jti.
    longest_jti: Annotated[int, Field(ge=1)] = 4096
    #: Scopes of a token: those asked for, or whatever the client is registered for; in the words asked, or in v1's.
    granted_scopes: Literal["asked", "registered"] = "asked"
    scope_words: Literal["asked", "v1"] = "asked"
    #: Whose scopes open the FHIR interface: only a system's own, or a user's too, for a system that acts as one.
    scope_contexts: tuple[Literal["system", "user"], ...] = ("system",)
    #: Answer to a known client that no user of the EHR stands behind.
    unmapped_client: tuple[int, str] = (400, "unauthorized_client")
    #: Answer to a request for scopes that the client does not have.
    scope_refused: tuple[int, str] = (400, "invalid_scope")
    #: A client that was registered less than this ago is not known yet.
    activation_s: Seconds = 0.0


class SandboxSettings(Behaviour):
    """One sandbox process: where it listens, where it keeps its files, and how it behaves at start.

    Args:
        host: address to listen on.
        port: TCP port; 0 takes a free one, which the ready line names.
        data_dir: folder of the SQLite file, the signing key and the admin secret; made when missing.
        admin_token: secret of `/admin`; without one, a secret is made and kept in `data_dir/admin-token`.
        public_url: address others reach it by (scheme, host, port); without one, `http://host:port`.
        clients_file: JSON list of registered OAuth clients, read at start.
        people_file: JSON object with the people who can log in and the web clients, read at start.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    data_dir: Path
    admin_token: SecretStr | None = None
    public_url: str | None = None
    clients_file: Path | None = None
    people_file: Path | None = None

    def stated(self) -> dict[str, Any]:
        """The behaviour that was asked for; the rest is the personality's to decide."""
        return self.model_dump(include=set(Behaviour.model_fields) & self.model_fields_set)
