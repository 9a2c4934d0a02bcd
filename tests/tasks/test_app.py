from typing import Any

import pytest
from celery import Celery

from config.settings import Settings
from tasks.app import CONSUMES, Role, make_celery
from tasks.celery_tasks import HINT_TASKS, register
from tasks.queues import QUEUE_OF, QueueName, TaskName
from tasks.withheld import WithheldRequest

SETTINGS = Settings(redis_url="redis://127.0.0.1:1/0", environment="north")


def app_for(role: Role) -> Celery:
    return make_celery(SETTINGS, role=role)


def options(role: Role) -> dict[str, Any]:
    found: dict[str, Any] = app_for(role).conf.broker_transport_options
    return found


@pytest.mark.parametrize("role", list(Role))
def test_no_process_reads_anything_but_json(role: Role) -> None:
    conf = app_for(role).conf
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"


@pytest.mark.parametrize("role", list(Role))
def test_no_process_can_hang_on_a_broker_that_does_not_answer(role: Role) -> None:
    """Trap 13: without time-outs a half-open connection is never noticed."""
    found = options(role)
    assert 0 < found["socket_timeout"] <= 5
    assert 0 < found["socket_connect_timeout"] <= 3
    assert found["health_check_interval"] == 5
    assert found["socket_keepalive"] is True


@pytest.mark.parametrize("role", list(Role))
def test_every_key_in_redis_is_the_installation_s_own(role: Role) -> None:
    assert options(role)["global_keyprefix"] == "wb:north:"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.RECEIVE])
def test_hints_are_acknowledged_at_once_and_never_given_again(role: Role) -> None:
    conf = app_for(role).conf
    assert conf.task_acks_late is False
    assert conf.task_reject_on_worker_lost is False
    assert options(role)["ack_emulation"] is False


def test_only_on_the_app_s_queue_is_a_message_kept_until_it_is_stored() -> None:
    found = options(Role.RECEIVE)
    assert app_for(Role.RECEIVE).conf.task_acks_late is True
    assert found["ack_emulation"] is True
    assert (found["unacked_restore_interval"], found["unacked_restore_throttle"]) == (1, 1)
    assert found["visibility_timeout"] >= 30


def test_who_answers_a_person_publishes_within_half_a_second_and_does_not_repeat() -> None:
    found = options(Role.PRODUCER)
    conf = app_for(Role.PRODUCER).conf
    assert found["socket_timeout"] <= 0.5
    assert found["socket_connect_timeout"] <= 0.5
    assert found["max_retries"] == 0
    assert conf.broker_connection_timeout <= 0.5
    assert conf.broker_pool_acquire_timeout <= 0.5
    assert conf.task_publish_retry is False


def test_a_worker_waits_for_ever_for_its_broker() -> None:
    conf = app_for(Role.DISPATCH).conf
    assert conf.broker_connection_retry_on_startup is True
    assert conf.broker_connection_max_retries is None


def test_results_are_kept_for_the_app_s_messages_only_and_not_for_long() -> None:
    assert app_for(Role.DISPATCH).conf.result_backend is None
    conf = app_for(Role.RECEIVE).conf
    assert conf.result_backend == SETTINGS.redis_url
    assert conf.result_expires == SETTINGS.result_expires
    assert conf.result_backend_transport_options["global_keyprefix"] == "wb:north:"


def test_a_misspelled_queue_fails_here() -> None:
    conf = app_for(Role.DISPATCH).conf
    assert conf.task_create_missing_queues is False
    assert {queue.name for queue in conf.task_queues} == {name.value for name in QueueName}


def test_every_task_has_a_queue_and_every_queue_but_flower_s_a_worker() -> None:
    assert set(QUEUE_OF) == set(TaskName)
    consumed = [queue for queues in CONSUMES.values() for queue in queues]
    assert sorted(consumed) == sorted(QueueName)


@pytest.mark.parametrize(
    ("role", "tasks"),
    [(Role.DISPATCH, set(HINT_TASKS) - {TaskName.NOTIFY}), (Role.NOTIFY, {TaskName.NOTIFY})],
)
def test_a_worker_has_the_tasks_of_its_queues_and_no_others(role: Role, tasks: set[TaskName]) -> None:
    app = app_for(role)
    register(app, role)
    assert {name for name in app.tasks if not name.startswith("celery.")} == set(tasks)


def test_whoever_waits_for_a_silent_receiver_writes_nothing_meanwhile() -> None:
    assert CONSUMES[Role.NOTIFY] == (QueueName.NOTIFY,)
    assert QueueName.NOTIFY not in CONSUMES[Role.DISPATCH]


def test_the_receiver_takes_messages_and_nothing_else() -> None:
    app = app_for(Role.RECEIVE)
    register(app, Role.RECEIVE)
    ours = {name for name in app.tasks if not name.startswith("celery.")}
    assert ours == {"command.receive"}
    task = app.tasks["command.receive"]
    assert task.acks_late is True
    assert task.ignore_result is False
    assert task.Request == "tasks.withheld:WithheldRequest"
    assert WithheldRequest.__module__ == "tasks.withheld"


def test_publishing_for_a_request_does_not_make_its_application_the_process_s_own() -> None:
    worker = app_for(Role.DISPATCH)
    producer = app_for(Role.PRODUCER)
    assert worker.set_as_current
    assert not producer.set_as_current
