"""Putting the parts together: the only module that names concrete classes. Importing it builds nothing.

A process builds its services once, from its settings (``start``); tasks ask for them inside their functions
(``services``). Tests build their own with other settings, and close them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from threading import Lock

import redis
from cryptography.fernet import MultiFernet
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters import declared, open_ehr
from canonical.capabilities import Capabilities
from canonical.case_watch import Alerts
from canonical.errors import ConfigurationError, StoreUnavailableError
from canonical.part_store import PartCompensations
from canonical.policy import PolicySet
from canonical.ports import ConnectionSettings, Ehr
from canonical.review_desk import ReviewDesk
from canonical.token_cache import TokenCache
from config.connections import read_connections
from config.ehrs import Ehrs
from config.environment import read_settings
from config.explaining_wiring import explainer
from config.logging import configure_logging
from config.look_wiring import Looks, looks_of
from config.notices_wiring import author_notices, set_terms
from config.policy_files import read_policies
from config.replay_wiring import Replays, replays
from config.review_wiring import Doors as DeskDoors
from config.review_wiring import case_desk, review_desk
from config.session_budget import check_session_budget
from config.settings import Settings
from config.telemetry import configure_telemetry
from reconcile.author_notices import AuthorNotices
from reconcile.explaining.explainer import Explainer
from reconcile.logged_alerts import LoggedAlerts
from reconcile.review.desk import CaseDesk
from store.admissions import Admissions
from store.balance_days import BalanceDays
from store.callbacks import Callbacks
from store.connections import sync_connections
from store.database import check_durable, open_engine
from store.doors import Doors
from store.drift_incidents import DriftIncidents
from store.held_lanes import PostgresLanes
from store.late_cases import LateCases
from store.lineage import Lineage
from store.part_compensations import StoredPartCompensations
from store.proofs import Proofs
from store.refusals import Refusals
from store.sweep_runs import SweepRuns
from store.watch_list import WatchList
from tasks.app import Role, make_celery
from tasks.callback_address import AddressRules
from tasks.callback_sender import CallbackSender
from tasks.circuit import Circuit
from tasks.dispatch import Dispatcher
from tasks.faultpoints import Faultpoints
from tasks.hints import Hints
from tasks.journey import Journey
from tasks.judging import Judge
from tasks.locks import Locks
from tasks.message import MessageDoor, message_door
from tasks.notify import Notifier
from tasks.patients import Patients
from tasks.preparation import Preparation
from tasks.preview import Previewer
from tasks.probing import Probing
from tasks.receive import Receiver
from tasks.token_cache import RedisTokenCache, read_token_keys
from tasks.turn import LaneTurn
from tasks.verify import Verifier

#: Seconds. Redis is beside us or of no use: whoever asks it is answering somebody.
_REDIS_TIMEOUT = 0.25
#: A refused message is kept up to this many times the limit of a command: escaped text is longer than what it says.
_KEPT_BODIES = 4


@dataclass(frozen=True, kw_only=True)
class Services(Looks):
    """The parts of one process. ``ehr(tenant, name)`` is thread-safe, as is everything here."""

    settings: Settings
    engine: Engine
    connections: Mapping[tuple[str, str], ConnectionSettings]
    ehr: Ehrs
    redis: redis.Redis
    locks: Locks
    hints: Hints
    lanes: PostgresLanes
    receiver: Receiver
    previewer: Previewer
    policies: PolicySet
    case_desk: CaseDesk
    review_desk: ReviewDesk
    explainer: Explainer
    author_notices: AuthorNotices
    drift_incidents: DriftIncidents
    replays: Replays
    late_cases: LateCases
    part_compensations: PartCompensations
    balance_days: BalanceDays
    alerts: Alerts
    message_door: MessageDoor
    doors: Doors
    turn: LaneTurn
    verifier: Verifier
    notifier: Notifier
    dispatcher: Dispatcher
    watch_list: WatchList
    callbacks: Callbacks
    refusals: Refusals
    sweep_runs: SweepRuns
    clock: Callable[[], datetime]
    random: Random

    def close(self) -> None:
        """Close whatever was opened: EHRs, lane sessions, pools."""
        self.ehr.close()
        self.lanes.close()
        self.redis.close()
        self.engine.dispose()


def utc_now() -> datetime:
    """Return the time of this machine, aware UTC."""
    return datetime.now(UTC)


def build(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    random: Random | None = None,
    opener: Callable[[ConnectionSettings], Ehr] | None = None,
    capabilities: Callable[[ConnectionSettings], Capabilities] = declared,
) -> Services:
    """Return the services for ``settings``, after checking that the database keeps what it commits.

    ``opener`` opens an EHR and ``capabilities`` tells what it can do (the adapters', unless a test brings its own).
    Raises ``ConfigurationError`` naming the setting to correct and ``StoreUnavailableError`` when PostgreSQL cannot be
    reached.
    """
    for name in ("database_url", "redis_url"):
        if not getattr(settings, name):
            raise ConfigurationError(f"WRITEBACK_{name.upper()} is empty: nothing was started.")
    known = {(item.tenant, item.name): item for item in read_connections(settings.connections_file)}
    policies = read_policies(settings.policies_dir)
    token_keys = read_token_keys(settings.token_key_file)
    engine = open_engine(settings.database_url, pool_size=settings.pool_size)
    try:
        check_durable(engine)
        check_session_budget(engine, settings)
        sync_connections(engine, known.values())
        set_terms(engine, policies.queue)
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreUnavailableError("PostgreSQL cannot be reached; nothing was started.") from error
    except BaseException:
        engine.dispose()
        raise
    outside = _Outside(opener=opener, capabilities=capabilities, token_keys=token_keys, policies=policies)
    return _assemble(settings, engine, known, outside, clock, random or Random())  # noqa: S311 - jitter


@dataclass(frozen=True, kw_only=True)
class _Outside:
    """How the EHRs are opened, what is known of them unopened, the keys of their shared tokens, and the policies in force."""

    opener: Callable[[ConnectionSettings], Ehr] | None
    capabilities: Callable[[ConnectionSettings], Capabilities]
    token_keys: MultiFernet | None
    policies: PolicySet


def _assemble(
    settings: Settings,
    engine: Engine,
    known: Mapping[tuple[str, str], ConnectionSettings],
    outside: _Outside,
    clock: Callable[[], datetime],
    random: Random,
) -> Services:
    actor = f"{socket.gethostname()}:{os.getpid()}"
    circuit = Circuit()
    client = open_redis(settings)
    locks = Locks(client, prefix=settings.key_prefix, circuit=circuit, door_time=settings.door_lock)
    hints = Hints(make_celery(settings, role=Role.PRODUCER), circuit=circuit)
    token_cache = _token_cache(settings, outside.token_keys, client, circuit, locks)
    opener = outside.opener or (lambda item: open_ehr(item, clock=clock, token_cache=token_cache))
    ehrs = Ehrs(known, opener, outside.capabilities)
    lanes = PostgresLanes(settings.database_url, actor=actor)
    watch_list = WatchList(engine, actor=actor)
    turn = _turn(settings, lanes, ehrs, clock, random)
    verifier = Verifier(proofs=Proofs(engine, actor=actor), ehrs=ehrs)
    callbacks = Callbacks(engine)
    refusals = Refusals(engine, keep_at_most=_KEPT_BODIES * settings.body_limit)
    admissions = Admissions(engine, refusals=refusals)
    judge = Judge(store=admissions, connections=known, capabilities=ehrs.capabilities, policies=outside.policies)
    receiver = _receiver(settings, admissions, judge, locks, hints, clock)
    cases = case_desk(
        engine,
        known,
        ehrs=ehrs,
        preparation=Preparation(ehrs=ehrs, patients=Patients(clock=clock)),
        policies=outside.policies,
        hints=hints,
        clock=clock,
    )
    parts = StoredPartCompensations(engine, admissions, actor=actor)
    doors = DeskDoors(capabilities=ehrs.capabilities, receiver=receiver, admissions=admissions, parts=parts)
    explains = explainer(engine, ehrs=ehrs, zone=cases.zone, clock=clock)
    looks = looks_of(engine, known, cases, ehrs=ehrs, hints=hints, clock=clock, actor=actor)
    previewer = _previewer(engine, judge, ehrs, clock)
    return Services(
        **vars(looks),
        settings=settings,
        engine=engine,
        connections=known,
        ehr=ehrs,
        redis=client,
        locks=locks,
        hints=hints,
        lanes=lanes,
        receiver=receiver,
        previewer=previewer,
        policies=outside.policies,
        case_desk=cases,
        review_desk=review_desk(engine, known, cases, explains, ehrs=ehrs, doors=doors, clock=clock),
        explainer=explains,
        author_notices=author_notices(engine, known, doors, actor=actor),
        drift_incidents=DriftIncidents(engine),
        replays=replays(engine, known, ehrs=ehrs, doors=doors, previewer=previewer, hints=hints),
        late_cases=LateCases(engine),
        part_compensations=parts,
        balance_days=BalanceDays(engine, actor=actor),
        alerts=LoggedAlerts(),
        message_door=message_door(settings, receiver=receiver, store=admissions, clock=clock),
        doors=Doors(engine),
        turn=turn,
        verifier=verifier,
        notifier=Notifier(callbacks=callbacks, sender=_sender(settings), clock=clock, random=random),
        dispatcher=Dispatcher(turn=turn, verifier=verifier, stumbles=watch_list, lock=locks.lane),
        watch_list=watch_list,
        callbacks=callbacks,
        refusals=refusals,
        sweep_runs=SweepRuns(engine),
        clock=clock,
        random=random,
    )


def _receiver(
    settings: Settings,
    admissions: Admissions,
    judge: Judge,
    locks: Locks,
    hints: Hints,
    clock: Callable[[], datetime],
) -> Receiver:
    return Receiver(
        store=admissions,
        judge=judge,
        locks=locks,
        hints=hints,
        clock=clock,
        quota_per_hour=settings.quota_per_hour,
        faultpoints=_faultpoints(settings),
    )


def _sender(settings: Settings) -> CallbackSender:
    rules = AddressRules(
        allow_loopback=settings.callbacks_allow_loopback, allow_private=settings.callbacks_allow_private
    )
    return CallbackSender(timeout=settings.callback_timeout, rules=rules)


def _previewer(engine: Engine, judge: Judge, ehrs: Ehrs, clock: Callable[[], datetime]) -> Previewer:
    lineage = Lineage(engine)
    return Previewer(
        judge=judge,
        preparation=Preparation(ehrs=ehrs, patients=Patients(clock=clock)),
        written=lineage.written,
        followers=lineage.followers,
        clock=clock,
    )


def _token_cache(
    settings: Settings, keys: MultiFernet | None, client: redis.Redis, circuit: Circuit, locks: Locks
) -> TokenCache | None:
    if keys is None:
        return None
    return RedisTokenCache(client, prefix=settings.key_prefix, circuit=circuit, locks=locks, seal=keys)


def _faultpoints(settings: Settings) -> Faultpoints:
    return Faultpoints(plan=settings.faultpoints, once_in=settings.faultpoints_dir)


def _turn(
    settings: Settings, lanes: PostgresLanes, ehrs: Ehrs, clock: Callable[[], datetime], random: Random
) -> LaneTurn:
    faultpoints = _faultpoints(settings)
    return LaneTurn(
        lanes=lanes,
        preparation=Preparation(ehrs=ehrs, patients=Patients(clock=clock)),
        journey=Journey(ehrs=ehrs, faultpoints=faultpoints, random=random),
        probing=Probing(ehrs=ehrs, faultpoints=faultpoints, random=random),
        faultpoints=faultpoints,
        random=random,
    )


def open_redis(settings: Settings) -> redis.Redis:
    """Return a client that answers or fails within half a second; nothing is connected yet.

    It never repeats a command by itself: a repeated ``SET NX`` locks its own holder out, a repeated ``INCR`` counts twice.
    """
    return redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=_REDIS_TIMEOUT,
        socket_connect_timeout=_REDIS_TIMEOUT,
        socket_keepalive=True,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
    )


_started: Services | None = None
_start_lock = Lock()


def start(settings: Settings | None = None) -> Services:
    """Set up logging and error reports, build this process's services, and keep them for :func:`services`.

    ``settings`` come from the environment unless given. Raises as :func:`build`.
    """
    global _started  # noqa: PLW0603 - one process, one set of services; everything else is passed along
    with _start_lock:
        if _started is None:
            settings = settings or read_settings()
            configure_logging(settings.log_level)
            configure_telemetry(settings)
            _started = build(settings)
        return _started


def services() -> Services:
    """Return this process's services; the first call builds them."""
    return _started or start()


def stop() -> None:
    """Close this process's services, if it has any."""
    global _started  # noqa: PLW0603 - see start
    with _start_lock:
        if _started is not None:
            _started.close()
            _started = None
