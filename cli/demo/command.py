"""`writeback demo`: the whole product, a synthetic hospital, faults, and a judge; then it keeps running to be looked at."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from canonical.errors import WritebackError
from cli.balance import balance_of
from cli.demo.apps import Apps
from cli.demo.chart import Chart
from cli.demo.charts import Charts
from cli.demo.faults import TIMINGS
from cli.demo.neighbours import neighbours
from cli.demo.plan import FEWEST
from cli.demo.queue import Queue
from cli.demo.report import document, show
from cli.demo.run import Run, Verdict
from cli.launch import Running, running
from cli.sandbox_neighbour import Neighbour
from cli.sandbox_site import CONNECTION, SandboxSite
from cli.stack import Stack
from cli.terminal import notes, results, say
from cli.up import addresses, site_in
from config.environment import read_settings
from processes.errors import ProcessTrouble
from processes.free_port import free_port

#: Names this installation in Redis.
ENVIRONMENT = "demo"


def demo(
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same patients, actions and faults.")] = None,
    actions: Annotated[int, typer.Option(min=FEWEST, help="How many actions.")] = 300,
    data_dir: Annotated[Path | None, typer.Option(help="An empty folder to work in; else one that is removed.")] = None,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the run; exit 1 if anything is not as it must be.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    flower: Annotated[bool | None, typer.Option(help="Run Flower too; by default unless --once.")] = None,
) -> None:
    """Show the service at work on a sandbox EHR that fails at 15 % of the writes, and judge what is in the chart."""
    seed = SystemRandom().randrange(1, 100_000) if seed is None else seed
    with_flower = not once if flower is None else flower
    with (
        working_directory(data_dir) as folder,
        product_in(folder, flower=with_flower, beside=neighbours()) as (product, site),
    ):
        verdict = _play(product, site, seed=seed, actions=actions)
        _tell(verdict, as_json=as_json)
        if not once:
            for line in addresses(product, site):
                say(line)
            say("It keeps running; Ctrl-C stops it.")
            product.wait()
        say("stopping …")
        if not verdict.is_good:
            raise typer.Exit(1)


@contextmanager
def working_directory(given: Path | None) -> Iterator[Path]:
    """Give the folder to work in; one of our own is removed again, unless something failed and its logs say what."""
    if given is not None:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="writeback-demo-"))
    try:
        yield folder
    except (WritebackError, ProcessTrouble, typer.Exit):
        say(f"The logs are in {folder / 'logs'}; remove {folder} when you have seen them.")
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def product_in(
    folder: Path, *, flower: bool, beside: tuple[Neighbour, ...] = ()
) -> Iterator[tuple[Running, SandboxSite]]:
    """Start all of the product with a sandbox hospital in `folder`, and those `beside` it; stop it at the end."""
    port = free_port()
    site = replace(site_in(folder / "site", api_port=port), neighbours=beside)
    site.prepare(TIMINGS)
    settings = read_settings(data_dir=folder, database_url="", redis_url="")
    stack = Stack(
        environment={
            **site.environment,
            "WRITEBACK_DATA_DIR": str(folder.absolute()),
            "WRITEBACK_ENVIRONMENT": ENVIRONMENT,
        },
        api_port=port,
        flower_port=free_port() if flower else None,
        sandbox=site.sandbox,
        neighbours={it.name: it.sandbox(site.folder) for it in site.neighbours},
        # Nothing is on its way any more when a demonstration stops.
        stop_grace=timedelta(seconds=10),
    )
    say("starting PostgreSQL, Valkey, the sandbox EHR, workers, poller, scheduler and API …")
    with running(stack, settings, folder) as product:
        yield product, site


def _play(product: Running, site: SandboxSite, *, seed: int, actions: int) -> Verdict:
    queue = Queue(broker_url=product.stack.urls.redis_url, key_prefix=f"wb:{ENVIRONMENT}:", site=site)
    with (
        closing(Charts(charts_of(site))) as charts,
        closing(Apps(site, queue)) as apps,
        Progress(console=notes(), transient=True) as progress,
    ):
        run = Run(
            charts=charts,
            apps=apps,
            balance=lambda: _balance(product),
            notify=lambda chart: chart.subscribe(site.notification_url, site.notification_secret),
            progress=progress,
        )
        return run.play(seed=seed, actions=actions)


def charts_of(site: SandboxSite) -> dict[str, Chart]:
    """Return the chart of each hospital of the site, by its connection."""
    others = {it.name: Chart(it.origin, it.admin_token(site.folder)) for it in site.neighbours}
    return {CONNECTION: Chart(site.origin, site.admin_token), **others}


def _balance(product: Running) -> dict[str, Any]:
    urls = product.stack.urls
    return balance_of(read_settings(database_url=urls.database_url, redis_url=urls.redis_url))


def _tell(verdict: Verdict, *, as_json: bool) -> None:
    console: Console = notes() if as_json else results()
    show(verdict, console)
    if as_json:
        sys.stdout.write(json.dumps(document(verdict)) + "\n")
        sys.stdout.flush()
