"""`writeback up`: all of the product on this machine, until told to stop; safe to kill and to start again."""

from pathlib import Path
from typing import Annotated

import typer

from canonical.errors import ConfigurationError
from canonical.ports import Timings
from cli.launch import Running, running
from cli.sandbox_site import PEOPLE, SandboxSite
from cli.stack import LOOPBACK, Stack
from cli.terminal import results, say, status_table
from config.connections import read_connections
from config.environment import read_settings
from config.settings import Settings
from processes.free_port import free_port, is_free

API_PORT = 8000
FLOWER_PORT = 5555


def up(
    data_dir: Annotated[Path, typer.Option(help="Everything it keeps is in here.")] = Path(".writeback"),
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the API.")] = API_PORT,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Dispatch workers; as the settings say by default.")
    ] = None,
    *,
    flower: Annotated[bool, typer.Option("--flower", help=f"Run Flower too, on port {FLOWER_PORT}.")] = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Run a sandbox as the EHR and the issuer of tokens.")
    ] = False,
) -> None:
    """Start PostgreSQL and Valkey (unless settings name others), bring the tables up to date, and run every process."""
    settings = read_settings(data_dir=data_dir)
    site = site_in(data_dir / "site", api_port=port) if sandbox else None
    if site is not None:
        site.prepare(Timings())
    else:
        check_reachable_hospital(settings)
    stack = Stack(
        environment={"WRITEBACK_DATA_DIR": str(data_dir.absolute()), **(site.environment if site else {})},
        api_port=port,
        dispatchers=workers or settings.worker_processes,
        flower_port=FLOWER_PORT if flower else None,
        sandbox=site.sandbox if site else None,
    )
    say("starting; this takes some seconds …")
    with running(stack, settings, data_dir) as product:
        results().print(status_table(product.supervisor.status()))
        for line in addresses(product, site):
            say(line)
        say("Ctrl-C stops it.")
        product.wait()
        say("stopping; requests on their way are finished first …")
    say("stopped. Everything accepted is kept; 'writeback up' goes on with it.")


def check_reachable_hospital(settings: Settings) -> None:
    """Pass only if the settings name EHRs and an issuer of tokens: without them every process would end at once.

    Raises:
        ConfigurationError: it says what to set.
    """
    try:
        read_connections(settings.connections_file)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error} To try it without an EHR of your own: 'writeback up --sandbox'.") from None
    if not settings.issuer:
        raise ConfigurationError("Set WRITEBACK_ISSUER and WRITEBACK_JWKS_URL: whose tokens shall be accepted?")


def site_in(folder: Path, *, api_port: int) -> SandboxSite:
    """Return the sandbox hospital in `folder`; its sandbox keeps its port from start to start, if it is free."""
    noted = folder / "port"
    port = int(noted.read_text(encoding="ascii")) if noted.exists() else free_port()
    if not is_free(port):
        port = free_port()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    noted.write_text(str(port), encoding="ascii")
    return SandboxSite(
        folder=folder.absolute(), origin=f"http://{LOOPBACK}:{port}", api_url=f"http://{LOOPBACK}:{api_port}"
    )


def addresses(product: Running, site: SandboxSite | None) -> list[str]:
    """Return where to look."""
    stack = product.stack
    lines = [f"API          {stack.api_url}/v1/commands", f"status page  {stack.api_url}/status"]
    if stack.flower_port is not None:
        login = Path(stack.environment["WRITEBACK_DATA_DIR"]) / "flower.login"
        lines.append(f"Flower       http://{LOOPBACK}:{stack.flower_port}/  (user and password are in {login})")
    if site is not None:
        lines.append(f"sandbox EHR  {site.origin}/fhir")
        people = ", ".join(f"{name} ({role})" for name, role in PEOPLE.values())
        lines += [f"review pages {stack.api_url}/review", f"             to log in as {people}"]
    return lines
