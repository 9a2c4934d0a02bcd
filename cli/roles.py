"""One command for each process of the product; each starts what another room wrote and waits for its end."""

from pathlib import Path
from typing import Annotated

import typer

from config.environment import read_settings

Port = Annotated[int, typer.Option(min=0, max=65_535, help="TCP port.")]
Host = Annotated[str, typer.Option(help="Address to listen on.")]


def api(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Serve the HTTP doors: intake, status, metrics and the status page."""
    import uvicorn

    from api.app import make_app
    from config import wiring

    services = wiring.start(read_settings())
    try:
        # The log's lines are ours, one a command and without addresses; uvicorn's own would double them.
        uvicorn.run(make_app(services), host=host, port=port, access_log=False, log_config=None, server_header=False)
    finally:
        wiring.stop()


def worker(
    role: Annotated[
        str, typer.Option(help="dispatch: works on hints. notify: tells apps. receive: takes what apps enqueue.")
    ] = "dispatch",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; as the settings say by default.")] = None,
) -> None:
    """Run one Celery worker."""
    from tasks.app import run_worker

    if role not in {"dispatch", "notify", "receive"}:
        raise typer.BadParameter("must be 'dispatch', 'notify' or 'receive'", param_hint="--role")
    settings = read_settings()
    run_worker(settings, role, threads or settings.worker_threads)


def scheduler() -> None:
    """Publish the hints of the sweeps on time; it is safe to run two."""
    from tasks.scheduler import run_scheduler

    run_scheduler(read_settings())


def poller() -> None:
    """Dispatch and sweep without Redis, so that writes go on whatever becomes of it."""
    from tasks.poller import run_poller

    run_poller(read_settings())


def flower(host: Host = "127.0.0.1", port: Port = 5555) -> None:
    """Show the workers and their tasks: ids only, read-only, behind a password."""
    from tasks.app import run_flower

    run_flower(read_settings(), host, port)


def migrate() -> None:
    """Bring the database's tables up to this version."""
    from config.migration import migrate as bring_up_to_date

    bring_up_to_date(read_settings())


def sandbox(
    data_dir: Annotated[Path, typer.Option(help="Folder of its files.")] = Path("sandbox-data"),
    host: Host = "127.0.0.1",
    port: Port = 0,
    clients_file: Annotated[Path | None, typer.Option(help="JSON list of OAuth clients.")] = None,
    people_file: Annotated[Path | None, typer.Option(help="JSON: who can log in, and to which web clients.")] = None,
    personality: Annotated[str, typer.Option(help="Whose EHR it plays, with that vendor's ways.")] = "fhir_r4",
    *,
    open: Annotated[bool, typer.Option("--open", help="Ask for no token under /fhir (tests only).")] = False,
) -> None:
    """Serve a FHIR R4 EHR for tests and integrators, with faults on demand."""
    from sandbox.server import SandboxSettings, serve

    serve(
        SandboxSettings(
            data_dir=data_dir,
            host=host,
            port=port,
            open=open,
            clients_file=clients_file,
            people_file=people_file,
            personality=personality,
        )
    )
