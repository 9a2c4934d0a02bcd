"""The Celery door as an app uses it: a signed message under the task's public name, on the public queue."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from canonical import exact_json
from cli.demo.intents import Intent
from cli.sandbox_site import SandboxSite
from cli.service_client import read_private_key

TASK = "command.receive"
QUEUE = "wb.receive"
#: The service also bounds how long a message may wait.
SIGNED_FOR = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Queue:
    """The broker, and the apps' keys.

    Args:
        broker_url: of Redis.
        key_prefix: what the service's keys in Redis begin with.
    """

    broker_url: str
    key_prefix: str
    site: SandboxSite

    def send(self, intent: Intent) -> None:
        """Enqueue one command; that it was enqueued is no receipt."""
        from celery import Celery

        options = {"global_keyprefix": self.key_prefix}
        with Celery(broker=self.broker_url, set_as_current=False) as app:
            app.conf.update(broker_transport_options=options, task_serializer="json")
            app.send_task(TASK, args=[self._message(intent)], queue=QUEUE, argsrepr="(withheld)", kwargsrepr="{}")

    def _message(self, intent: Intent) -> dict[str, Any]:
        from tasks.message import signed_message

        profile = self.site.profile(intent.app)
        return signed_message(
            exact_json.dumps(intent.envelope),
            app=intent.app,
            audience=profile.audience,
            signing_key=read_private_key(profile.key_file),
            now=datetime.now(UTC),
            lifetime=SIGNED_FOR,
            key=intent.key,
        )
