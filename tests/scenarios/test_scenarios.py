"""Every scenario of this folder comes to its divergence on the real stack, and so does what the report writes out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from canonical.incident.scenario import from_toml, scenario_of, to_toml
from tests.sandbox_fixture import RunningSandbox, sandbox, sandbox_server
from tests.scenarios.player import play
from tests.tasks.ward import Ward

__all__ = ["sandbox", "sandbox_server"]
FILES = sorted(Path(__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_scenario_comes_to_its_divergence_and_what_is_written_out_of_it_does_so_again(
    file: Path, sandbox: RunningSandbox, ward: Ward
) -> None:
    scenario = from_toml(file.read_text(encoding="utf-8"))
    played = play(scenario, sandbox, ward)
    first = played.judged.divergences[0]
    assert (first.kind, first.worse.kind if first.worse else None) == (scenario.first, scenario.worse)
    written = from_toml(to_toml(scenario_of(played.judged, first)))
    assert (written.first, written.worse, written.adapter) == (scenario.first, scenario.worse, scenario.adapter)
    again = play(written, sandbox, ward).judged.divergences[0]
    assert (again.kind, again.worse.kind if again.worse else None) == (scenario.first, scenario.worse)
