import pytest

from canonical.errors import ConfigurationError
from canonical.ports import ConnectionSettings, Ehr
from config.ehrs import Ehrs
from tests.tasks.chart import Chart


def test_an_ehr_is_opened_when_first_needed_and_only_once() -> None:
    opened: list[str] = []

    def opener(settings: ConnectionSettings) -> Ehr:
        opened.append(settings.name)
        return Chart()

    known = {("t1", "north"): ConnectionSettings(tenant="t1", name="north", adapter="chart", base_url="http://x")}
    ehrs = Ehrs(known, opener)
    assert opened == []
    assert ehrs("t1", "north") is ehrs("t1", "north")
    assert opened == ["north"]


def test_a_connection_that_no_file_names_any_more_is_asked_back() -> None:
    with pytest.raises(ConfigurationError, match="tenant t1 has commands for the connection gone"):
        Ehrs({}, lambda _settings: Chart())("t1", "gone")


def test_closing_closes_every_ehr_that_was_opened() -> None:
    class Closing(Chart):
        closed = False

        def close(self) -> None:
            self.closed = True

    chart = Closing()
    known = {("t1", "north"): ConnectionSettings(tenant="t1", name="north", adapter="chart", base_url="http://x")}
    ehrs = Ehrs(known, lambda _settings: chart)
    ehrs("t1", "north")
    ehrs.close()
    assert chart.closed
