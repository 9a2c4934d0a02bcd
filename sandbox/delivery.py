"""How each fault is played on an exchange; not which request meets it."""

import time
from asyncio import sleep, timeout
from collections.abc import Awaitable, Callable

from sandbox.answers import Answer, Refusal, http_date
from sandbox.exchange import Exchange
from sandbox.faults import Fault, Parameters
from sandbox.wire import drop, gone, transport_of

DROPPED = "dropped"
HUNG = "hung"


async def deliver(exchange: Exchange, fault: Fault | None, parameters: Parameters) -> None:
    """Process an exchange and answer it, well or badly."""
    if fault is None:
        await exchange.respond(await exchange.process())
        return
    exchange.fault = fault.value
    await PLAYERS[fault](exchange, parameters)


async def commit_then_drop(exchange: Exchange, parameters: Parameters) -> None:
    await exchange.process(sent=DROPPED)
    await drop(exchange.scope, exchange.receive, reset=parameters.reset)


async def drop_before_commit(exchange: Exchange, parameters: Parameters) -> None:
    await exchange.log_unprocessed(DROPPED)
    await drop(exchange.scope, exchange.receive, reset=parameters.reset)


async def late_commit(exchange: Exchange, parameters: Parameters) -> None:
    line = await exchange.log_unprocessed(DROPPED)

    async def commit() -> None:
        await sleep(parameters.seconds)
        await exchange.complete_later(line)

    exchange.ehr.do_later(commit())
    await drop(exchange.scope, exchange.receive, reset=parameters.reset)


async def delay(exchange: Exchange, parameters: Parameters) -> None:
    if parameters.when == "before":
        await sleep(parameters.seconds)
    answer = await exchange.process()
    if parameters.when == "after":
        await sleep(parameters.seconds)
    await exchange.respond(answer)


async def error_after_commit(exchange: Exchange, parameters: Parameters) -> None:
    status = parameters.status or 500
    await exchange.process(sent=str(status))
    await exchange.respond(exchange.tell(Refusal(status, "exception", "The server failed.")))


async def error_before_commit(exchange: Exchange, parameters: Parameters) -> None:
    await _refuse(exchange, Refusal(parameters.status or 500, "exception", "The server failed."))


async def throttle(exchange: Exchange, parameters: Parameters) -> None:
    headers = {}
    if parameters.retry_after is not None:
        as_date = parameters.retry_after_form == "http-date"
        # Rounded up: a date has whole seconds, and coming back a moment early would be throttled again.
        moment = http_date(int(time.time()) + 1 + parameters.retry_after)
        headers["Retry-After"] = moment if as_date else str(parameters.retry_after)
    await _refuse(exchange, Refusal(429, "throttled", "Too many requests.", headers=headers))


async def conflict(exchange: Exchange, parameters: Parameters) -> None:
    await _refuse(exchange, Refusal(parameters.status or 412, "conflict", "The resource has changed."))


async def truncated_body(exchange: Exchange, parameters: Parameters) -> None:
    answer = await exchange.process()
    body = answer.body.encode()
    half = body[: len(body) // 2]
    await exchange.start(answer, len(half) if parameters.framed else len(body))
    await exchange.send({"type": "http.response.body", "body": half, "more_body": not parameters.framed})
    if not parameters.framed:
        # What is written is flushed first; then the client finds the connection closed.
        transport_of(exchange.scope).close()
        await gone(exchange.receive)


async def empty_body(exchange: Exchange, parameters: Parameters) -> None:
    answer = await exchange.process()
    without = {name.lower() for name in parameters.without}
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in without}
    await exchange.respond(Answer(status=answer.status, headers=headers))


async def stale(exchange: Exchange, parameters: Parameters) -> None:
    await exchange.respond(await exchange.process(as_of=exchange.ehr.clock() - parameters.seconds))


async def duplicate_delivery(exchange: Exchange, _: Parameters) -> None:
    await exchange.process(sent=DROPPED)
    await exchange.respond(await exchange.process())


async def answer_without_commit(exchange: Exchange, _: Parameters) -> None:
    await exchange.respond(await exchange.pretend())


async def hang(exchange: Exchange, parameters: Parameters) -> None:
    if parameters.commit:
        await exchange.process(sent=HUNG)
    else:
        await exchange.log_unprocessed(HUNG)
    try:
        async with timeout(parameters.seconds):
            await gone(exchange.receive)
    except TimeoutError:
        await drop(exchange.scope, exchange.receive, reset=parameters.reset)


async def _refuse(exchange: Exchange, refusal: Refusal) -> None:
    answer = exchange.tell(refusal)
    await exchange.log_unprocessed(str(answer.status))
    await exchange.respond(answer)


PLAYERS: dict[Fault, Callable[[Exchange, Parameters], Awaitable[None]]] = {
    Fault.COMMIT_THEN_DROP: commit_then_drop,
    Fault.DROP_BEFORE_COMMIT: drop_before_commit,
    Fault.LATE_COMMIT: late_commit,
    Fault.DELAY: delay,
    Fault.ERROR_AFTER_COMMIT: error_after_commit,
    Fault.ERROR_BEFORE_COMMIT: error_before_commit,
    Fault.THROTTLE: throttle,
    Fault.CONFLICT: conflict,
    Fault.TRUNCATED_BODY: truncated_body,
    Fault.EMPTY_BODY: empty_body,
    Fault.READ_LAG: stale,
    Fault.STALE_SEARCH: stale,
    Fault.DUPLICATE_DELIVERY: duplicate_delivery,
    Fault.ANSWER_WITHOUT_COMMIT: answer_without_commit,
    Fault.HANG: hang,
}
