"""`python -m tests.e2e.screenshots`: pictures of the review queue for the documents, made on the running product. No test."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect, sync_playwright
from rich.progress import Progress

from cli.balance import balance_of
from cli.demo.apps import Apps
from cli.demo.chart import Chart
from cli.demo.charts import Charts
from cli.demo.command import ENVIRONMENT, charts_of, product_in
from cli.demo.neighbours import neighbours
from cli.demo.queue import Queue
from cli.demo.run import Run
from config.environment import read_settings
from run import find_browser
from tests.e2e.clinic import Clinic, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.launch import Running
    from cli.sandbox_site import SandboxSite

FOLDER = Path(__file__).parents[2] / "docs" / "images"
#: The same seed gives the same patients and questions.
SEED, ACTIONS = 5, 60
PROVEN_WITHIN = 30_000


def main() -> None:
    """Start the product, let its apps work, and take the pictures."""
    chromium = find_browser(os.environ)
    if chromium is None:
        sys.exit("No Chromium was found: install one, or name it in WRITEBACK_CHROMIUM.")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="writeback-pictures-") as name:
        folder = Path(name)
        with product_in(folder, flower=False, beside=neighbours()) as (product, site):
            play(product, site)
            with working(product, site, chromium) as desk:
                take_all(desk)


def play(product: Running, site: SandboxSite) -> None:
    """Let the demonstration's apps do all that they do, then let the EHRs be well again."""
    urls = product.stack.urls
    queue = Queue(broker_url=urls.redis_url, key_prefix=f"wb:{ENVIRONMENT}:", site=site)
    charts: dict[str, Chart] = charts_of(site)
    settings = read_settings(database_url=urls.database_url, redis_url=urls.redis_url)
    with closing(Charts(charts)) as all_charts, closing(Apps(site, queue)) as apps, Progress() as progress:
        run = Run(
            charts=all_charts,
            apps=apps,
            balance=lambda: balance_of(settings),
            notify=lambda chart: chart.subscribe(site.notification_url, site.notification_secret),
            progress=progress,
        )
        run.play(seed=SEED, actions=ACTIONS)
        for chart in charts.values():
            chart.play([])


@contextmanager
def working(product: Running, site: SandboxSite, chromium: str) -> Iterator[Desk]:
    """Give people a browser each."""
    with (
        closing(Clinic(site, product.stack.urls.database_url)) as clinic,
        sync_playwright() as playwright,
        closing(playwright.chromium.launch(executable_path=chromium)) as browser,
        closing(Desk(clinic=clinic, browser=browser, contexts=[])) as desk,
    ):
        yield desk


def take_all(desk: Desk) -> None:
    """Take the queue, a case, its proof, and the board."""
    question = desk.clinic.conflict()
    page = desk.log_in("paul-abara")
    take(page, "review-queue")
    page.locator(f"tr[data-case='{question.case}'] a.case").click()
    page.get_by_role("button", name="Claim this case").click()
    expect(page.get_by_text("You have this case.")).to_be_visible()
    take(page, "review-case")
    page.get_by_label("Dosage: keep the proposal").check()
    page.get_by_role("button", name="Decide field by field").click()
    expect(page.locator("#standing")).to_contain_text("In the chart, proven.", timeout=PROVEN_WITHIN)
    # What happened is of the moment when the page was made.
    page.reload()
    page.get_by_text("What happened so far").click()
    take(page, "review-proof")
    take(desk.log_in("olga-meyer", path="/review/board"), "review-board")


def take(page: Page, name: str) -> None:
    """Keep what the first screen shows."""
    # The cursor's place and a focused element are of no interest.
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
