"""What people look at, in a real browser on the real processes: the status page, and Flower behind its password."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from celery.utils.saferepr import saferepr
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from cli.demo.chart import Chart
from cli.demo.faults import TIMINGS
from cli.sandbox_site import CONNECTION, SandboxSite
from cli.service_client import ServiceClient, read_private_key
from cli.stack import LOOPBACK, Stack
from processes.condition import wait_until
from processes.embedded import ServerUrls
from processes.free_port import free_port
from processes.postgres import PostgresServer
from processes.supervisor import Supervisor
from processes.valkey import ValkeyServer
from tasks.flower_login import flower_login
from tasks.message import signed_message
from tests.conftest import _own_database
from tests.factories import as_bytes, envelope_json, quantity, vital_reading_json

pytestmark = pytest.mark.browser

SOON = timedelta(seconds=40)
#: A patient of whom every member can be recognised wherever it may leak to.
PATIENT = {
    "resourceType": "Patient",
    "id": "zq7731kx",
    "birthDate": "1957-11-23",
    "name": [{"family": "Quillfeather", "given": ["Oswalda"]}],
}
WEIGHTS = ("83.471", "84.926")
SECRETS = ("zq7731kx", "1957-11-23", "Quillfeather", "Oswalda", *WEIGHTS)
#: What the tasks page of Flower asks for, sorted by name: sweeps, the most frequent tasks, come last.
TABLE: dict[str, str | int] = {"draw": 1, "start": 0, "length": 500, "order[0][column]": 0, "columns[0][data]": "name"}


@dataclass
class Looked:
    """What a page asked for, and what went wrong in it."""

    page: Page
    urls: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.urls.append(request.url))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on(
            "console", lambda said: self.troubles.append(said.text) if said.type in {"error", "warning"} else None
        )

    def outside(self, origin: str) -> list[str]:
        return [url for url in self.urls if not url.startswith((f"{origin}/", "data:"))]


@dataclass
class Hospital:
    """The running product, before the sandbox as EHR."""

    site: SandboxSite
    stack: Stack
    logs: Path
    login: tuple[str, str]

    @property
    def flower(self) -> str:
        return f"http://{LOOPBACK}:{self.stack.flower_port}"

    def envelope(self, weight: str, correlation_id: str) -> bytes:
        """A body weight of the patient, as an app gives it."""
        measured = datetime.now(UTC) - timedelta(minutes=20)
        action = vital_reading_json(
            valueQuantity=quantity(weight, "kg", "kg"), effectiveDateTime=measured.isoformat(timespec="seconds")
        )
        who = {"reference": "Patient/zq7731kx", "birthDate": "1957-11-23", "family": "Quillfeather"}
        over = {"patient": who, "consent": {"reference": "consent-q"}, "correlationId": correlation_id}
        return as_bytes(envelope_json(action, **over))

    def enqueue(self, weight: str, correlation_id: str) -> None:
        """Give a command to the broker as any Celery app does: the message's headers show its arguments."""
        message = signed_message(
            self.envelope(weight, correlation_id).decode(),
            app="ward",
            audience=self.site.profile("ward").audience,
            signing_key=read_private_key(self.site.profile("ward").key_file),
            now=datetime.now(UTC),
            lifetime=timedelta(minutes=5),
        )
        with Celery(broker=self.stack.urls.redis_url, set_as_current=False) as app:
            app.conf.broker_transport_options = {"global_keyprefix": "wb:pages:"}
            assert weight in saferepr([message], app.amqp.argsrepr_maxsize), "the sender's own header must tell it"
            app.send_task("command.receive", args=[message], queue="wb.receive")

    def tasks(self) -> list[dict[str, Any]]:
        """What Flower knows of tasks."""
        answer = httpx.get(f"{self.flower}/tasks/datatable", params=TABLE, auth=self.login)
        return list(answer.json()["data"]) if answer.is_success else []

    def has_seen(self, *names: str) -> bool:
        try:
            return set(names) <= {task["name"] for task in self.tasks() if task["state"] == "SUCCESS"}
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    yield from _own_database(postgres_server, f"TEMPLATE {template_database}")


@pytest.fixture(scope="module")
def hospital(
    tmp_path_factory: pytest.TempPathFactory, database: str, valkey_server: ValkeyServer
) -> Iterator[Hospital]:
    """All processes; one command came in over HTTP and one over Celery, and both are in the chart."""
    folder = tmp_path_factory.mktemp("pages")
    valkey_server.start()
    api_port = free_port()
    site = SandboxSite(
        folder=folder / "site",
        origin=f"http://{LOOPBACK}:{free_port()}",
        api_url=f"http://{LOOPBACK}:{api_port}",
    )
    site.prepare(TIMINGS)
    stack = Stack(
        environment={
            **site.environment,
            "WRITEBACK_DATA_DIR": str(folder),
            "WRITEBACK_ENVIRONMENT": "pages",
            "WRITEBACK_POOL_SIZE": "4",
        },
        urls=ServerUrls(database_url=database, redis_url=valkey_server.url),
        api_port=api_port,
        dispatchers=1,
        threads=2,
        flower_port=free_port(),
        sandbox=site.sandbox,
        stop_grace=timedelta(seconds=10),
    )
    with Supervisor(stack.children(), folder / "logs"):
        user, _, password = flower_login(folder).partition(":")
        hospital = Hospital(site=site, stack=stack, logs=folder / "logs", login=(user, password))
        write_two(hospital)
        yield hospital


def write_two(hospital: Hospital) -> None:
    """Let one command come in over each door and wait until Flower has seen the work and the chart has the result."""
    chart = Chart(hospital.site.origin, hospital.site.admin_token)
    chart.seed({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}]})
    chart.close()
    with ServiceClient(hospital.site.profile("desk")) as desk:
        terms = {
            "connection": CONNECTION,
            "patient": {"reference": "Patient/zq7731kx"},
            "purposes": ["TREAT"],
            "actions": ["*"],
            "apps": ["ward"],
            "validFrom": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        }
        given = desk.request("PUT", "/v1/consents/consent-q", json=terms)
        assert given.is_success, given.text
    # Only what happens after Flower listens is seen there; the scheduler's sweeps show that it does.
    assert wait_until(lambda: hospital.has_seen("sweep.run"), within=SOON), "Flower never saw a sweep"
    with ServiceClient(hospital.site.profile("ward")) as ward:
        answer = ward.submit(hospital.envelope(WEIGHTS[0], "round-1"), wait=30)
        assert answer.json()["status"] == "inChart", answer.text
        hospital.enqueue(WEIGHTS[1], "round-2")

        def enqueued_is_in_chart() -> bool:
            found = ward.request("POST", "/v1/commands/_search", json={"correlationId": "round-2"})
            return [it["status"] for it in found.json()["commands"]] == ["inChart"]

        assert wait_until(enqueued_is_in_chart, within=SOON), "the enqueued command is not in the chart"
    assert wait_until(lambda: hospital.has_seen("command.receive", "lane.dispatch"), within=SOON), "Flower saw no work"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person without any login."""
    with browser.new_context() as context:
        yield context


@pytest.fixture
def operator(browser: Browser, hospital: Hospital) -> Iterator[BrowserContext]:
    """A person with Flower's login."""
    user, password = hospital.login
    with browser.new_context(http_credentials={"username": user, "password": password}) as context:
        yield context


def numbers_of(page: Page, row: str) -> list[str]:
    """The numbers of the table row with this heading."""
    cells = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=row, exact=True)).get_by_role("cell")
    return [text.strip() for text in cells.all_inner_texts()]


def test_the_status_page_says_where_everything_is(hospital: Hospital, context: BrowserContext) -> None:
    looked = Looked(context.new_page())
    looked.page.goto(f"{hospital.stack.api_url}/")
    expect(looked.page).to_have_title("Everything is accounted for · Writeback")
    expect(looked.page.get_by_role("status")).to_have_text("Everything that was accepted is accounted for.")
    assert numbers_of(looked.page, "In the chart, proven") == ["2"]
    assert numbers_of(looked.page, "On the way") == ["0"]
    received, in_chart, *others, closes = numbers_of(looked.page, "in all")
    assert (received, in_chart, set(others), closes) == ("2", "2", {"0"}, "yes")
    assert looked.outside(hospital.stack.api_url) == []
    assert looked.troubles == []


def test_the_status_page_names_no_patient_and_runs_no_script(hospital: Hospital, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{hospital.stack.api_url}/status")
    assert [secret for secret in SECRETS if secret in page.content()] == []
    assert page.locator("script").count() == 0


def test_neither_metrics_nor_logs_name_a_patient_or_a_value(hospital: Hospital) -> None:
    metrics = httpx.get(f"{hospital.stack.api_url}/metrics").text
    assert 'writeback_commands{state="verified",status="inChart"} 2.0' in metrics
    logs = {file.name: file.read_text(encoding="utf-8") for file in hospital.logs.iterdir()}
    assert "command.accepted" in logs["api.log"]
    assert "command.accepted" in logs["receiver.log"]
    for name, text in {"metrics": metrics, **logs}.items():
        assert [secret for secret in SECRETS if secret in text] == [], name


def test_the_status_page_fits_a_telephone(hospital: Hospital, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 360, "height": 740}) as telephone:
        page = telephone.new_page()
        page.goto(f"{hospital.stack.api_url}/")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        cut_off = "[...document.querySelectorAll('tbody th, tbody td')].filter(it => it.scrollWidth > it.clientWidth + 1).length"
        assert page.evaluate(cut_off) == 0
        # A number still says what it counts, although the table's head does not fit.
        expect(page.get_by_role("rowheader", name="in all")).to_be_visible()
        said = page.locator("td[data-column='In chart']").first
        assert said.evaluate("cell => getComputedStyle(cell, '::before').content") == '"In chart"'


def test_flower_shows_the_tasks_by_id_only(hospital: Hospital, operator: BrowserContext) -> None:
    page = operator.new_page()
    page.goto(f"{hospital.flower}/tasks?name=command.receive")
    expect(page.get_by_role("cell", name="command.receive").first).to_be_visible()
    assert [secret for secret in SECRETS if secret in page.content()] == []
    table = httpx.get(f"{hospital.flower}/tasks/datatable", params=TABLE, auth=hospital.login).text
    told = httpx.get(f"{hospital.flower}/api/tasks", auth=hospital.login).text
    received = next(task for task in hospital.tasks() if task["name"] == "command.receive")
    page.goto(f"{hospital.flower}/task/{received['uuid']}")
    expect(page.get_by_role("region", name="Task details")).to_contain_text(received["uuid"])
    for shown in (page.content(), table, told):
        assert received["uuid"] in shown
        assert [secret for secret in SECRETS if secret in shown] == []
    assert received["args"] == "(withheld)"


def test_flower_asks_for_its_password(hospital: Hospital, context: BrowserContext) -> None:
    with pytest.raises(PlaywrightError, match="ERR_INVALID_AUTH_CREDENTIALS"):
        context.new_page().goto(f"{hospital.flower}/tasks")
    for path in ("/", "/tasks/datatable", "/api/tasks", "/api/workers", "/broker"):
        assert httpx.get(f"{hospital.flower}{path}").status_code == 401, path
        assert httpx.get(f"{hospital.flower}{path}", auth=("operator", "guessed")).status_code == 401, path


def test_what_flower_tells_without_a_password_names_nobody(hospital: Hospital) -> None:
    shown = httpx.get(f"{hospital.flower}/metrics").text
    assert "command.receive" in shown
    assert [secret for secret in SECRETS if secret in shown] == []


def test_nothing_can_be_run_or_stopped_from_flower(hospital: Hospital) -> None:
    task = next(it["uuid"] for it in hospital.tasks() if it["name"] == "command.receive")
    worker = next(it["worker"] for it in hospital.tasks())
    body = {"args": [{"v": 1, "lane": 1}]}
    for path in (
        "/api/task/async-apply/command.receive",
        "/api/task/apply/lane.dispatch",
        "/api/task/send-task/lane.dispatch",
        f"/api/task/revoke/{task}",
        f"/api/task/abort/{task}",
        f"/api/worker/shutdown/{worker}",
        f"/api/worker/queue/cancel-consumer/{worker}?queue=wb.dispatch",
    ):
        answer = httpx.post(f"{hospital.flower}{path}", json=body, auth=hospital.login)
        assert answer.status_code == 403, f"{path}: {answer.status_code}"
