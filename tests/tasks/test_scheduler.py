from datetime import timedelta

from celery.beat import Scheduler

from config.settings import Settings
from reconcile.schedule import SWEEPS
from tasks.app import Role, make_celery
from tasks.queues import QUEUE_OF, TaskName, is_known
from tasks.scheduler import beat_schedule


def test_every_sweep_is_scheduled_as_often_as_it_says() -> None:
    schedule = beat_schedule()
    assert {entry["args"][0]["sweep"] for entry in schedule.values()} == set(SWEEPS)
    for entry in schedule.values():
        sweep = SWEEPS[entry["args"][0]["sweep"]]
        assert entry["schedule"] == sweep.every.total_seconds()
        assert is_known(entry["args"][0])


def test_a_hint_that_waited_is_dropped_before_it_piles_up() -> None:
    for entry in beat_schedule().values():
        assert 0 < entry["options"]["expires"] <= 10
        assert entry["options"]["queue"] == QUEUE_OF[TaskName.SWEEP]
        assert entry["options"]["retry"] is False


def test_beat_takes_the_schedule_and_keeps_no_file() -> None:
    app = make_celery(Settings(redis_url="redis://127.0.0.1:1/0"), role=Role.SCHEDULER)
    app.conf.beat_schedule = beat_schedule()
    assert app.conf.beat_scheduler == "celery.beat:Scheduler"
    assert app.conf.beat_max_loop_interval == 5
    entries = Scheduler(app=app).schedule
    ours = {name: entry for name, entry in entries.items() if name.startswith("sweep-")}
    assert len(ours) == len(SWEEPS)
    assert ours["sweep-due"].schedule.run_every == timedelta(seconds=1)
