"""Putting the echo guard together: who may notify us, and the look that follows. Importing it builds nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from adapters.access.secret import Secret
from canonical.capabilities import Capabilities
from canonical.drift_plan import drift_plan
from canonical.echo_plan import echo_plan
from canonical.ports import ConnectionSettings, Ehr
from reconcile.acceptance_look import AcceptanceLook
from reconcile.drift_look import DriftLook
from reconcile.echo_follow import EchoFollow
from reconcile.echo_look import EchoLook
from reconcile.review.engine import ConflictEngine
from store.echo_book import StoredEchoes
from store.notifications import Notifications
from tasks.hints import Hints
from tasks.notification_intake import NotificationIntake, Sender
from tasks.notification_proof import HeaderProof, HubProof, NotificationProof, SignedProof


@dataclass(frozen=True, kw_only=True)
class EchoGuard:
    """``intake`` takes notifications, ``look`` reads the entries that they name."""

    intake: NotificationIntake
    look: EchoLook


def echo_guard(
    engine: Engine,
    connections: Mapping[tuple[str, str], ConnectionSettings],
    *,
    ehrs: Callable[[str, str], Ehr],
    capabilities: Callable[[ConnectionSettings], Capabilities],
    looks: tuple[ConflictEngine, DriftLook, AcceptanceLook],
    hints: Hints,
    clock: Callable[[], datetime],
) -> EchoGuard:
    """Return the guard; a connection without ``[connection.notifications]`` is notified of nothing."""
    senders: dict[str, tuple[Sender, ...]] = defaultdict(tuple)
    for item in connections.values():
        if item.notifications:
            senders[item.name] += (_sender(item, capabilities),)
    engine_look, drift, acceptance = looks
    return EchoGuard(
        intake=NotificationIntake(senders=dict(senders), ears=Notifications(engine), hints=hints, clock=clock),
        look=EchoLook(
            book=StoredEchoes(engine, plan=echo_plan(), drift=drift_plan()),
            ehrs=ehrs,
            follow=EchoFollow(engine=engine_look, drift=drift, acceptance=acceptance, hints=hints),
        ),
    )


def _sender(item: ConnectionSettings, capabilities: Callable[[ConnectionSettings], Capabilities]) -> Sender:
    return Sender(
        tenant=item.tenant,
        connection=item.name,
        proof=notification_proof(item.notifications),
        form=lambda: capabilities(item).notifications,
    )


def notification_proof(said: Mapping[str, str]) -> NotificationProof:
    """Return the proof that a table names; its secret is read each time, so that one that was exchanged counts at once."""
    file = said.get("secret_file")
    setting = "secret_file" if file else "secret_env"
    secret = Secret(
        setting=setting, file=Path(file) if file else None, variable=said.get("secret_env"), table="notifications"
    )
    if said["kind"] == "header":
        return HeaderProof(secret=secret.read)
    if said["kind"] == "hub":
        return HubProof(secret=secret.read)
    return SignedProof(secret=secret.read, tolerance=timedelta(seconds=int(said["tolerance"])))
