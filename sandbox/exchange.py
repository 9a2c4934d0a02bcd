"""One request on its way to an answer: processed, logged, sent; not which fault is played on it."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from sandbox import request_log
from sandbox.answers import Answer, Refusal
from sandbox.call import WRITES, Call, Interaction
from sandbox.checking import checked
from sandbox.ehr import Ehr
from sandbox.handling import perform
from sandbox.personality import Situation


@dataclass(kw_only=True)
class Exchange:
    """A request with the means to process it, log it and answer it.

    Args:
        arrived_at: seconds since 1970.
        refused: why the request is refused before anything is looked at, if it is.
        answered_by: what answers a request that is about no resource.
    """

    ehr: Ehr
    scope: Scope
    receive: Receive
    send: Send
    call: Call
    method: str
    path: str
    query: str
    arrived_at: float
    client: str | None = None
    refused: Refusal | None = None
    answered_by: Callable[[Call], Awaitable[Answer]] | None = None
    fault: str | None = None

    async def process(self, *, sent: str | None = None, as_of: float | None = None) -> Answer:
        """Do what is asked and log it in the same transaction.

        Args:
            sent: what the client will get, where that is not the answer: "dropped", "hung" or a status.
            as_of: reads, searches and conditions see the chart as it was then.
        """
        try:
            call = replace(self.call, as_of=as_of, now=self.ehr.clock())
            return await self._process(call, sent)
        except Refusal as refusal:
            answer = self.tell(refusal)
            await self.ehr.database.write(lambda connection: self._log(connection, sent, answer))
            return answer

    async def _process(self, call: Call, sent: str | None) -> Answer:
        if self.refused is not None:
            raise self.refused
        if self.answered_by is not None:
            return self._note(await self.answered_by(call), sent)
        whole = checked(call, self.ehr.conduct)
        # A vendor's own way of handing out tokens remembers its sessions in the chart's file.
        opens_session = call.native is not None and call.interaction is Interaction.TOKEN
        if call.interaction not in WRITES and not opens_session:
            return self._note(self._looked_up(whole), sent)
        lane = self.ehr.conduct.personality.lane(whole)
        with self.ehr.lanes.taken(lane, self.ehr.behaviour.overlap_status):
            await asyncio.sleep(self.ehr.behaviour.commit_delay_s)
            return await self.ehr.database.write(lambda connection: self._write(connection, whole, sent))

    def _looked_up(self, call: Call) -> Answer:
        def look() -> Answer:
            return perform(Situation(call=call, chart=chart, conduct=self.ehr.conduct))

        chart = self.ehr.chart(self.ehr.database.reader)
        if call.interaction is not Interaction.SEARCH or call.headers.get("cache-control") == "no-cache":
            return look()
        return self.ehr.searches.answer((self.path, call.pairs), look, self.ehr.behaviour.search_reuse_s, call.now)

    def _write(self, connection: sqlite3.Connection, call: Call, sent: str | None) -> Answer:
        answer = self._answer(connection, call)
        self._log(connection, sent, answer)
        return answer

    def _note(self, answer: Answer, sent: str | None) -> Answer:
        # A read does not wait for its line to be durable; the line is written in order all the same.
        self.ehr.log_later(lambda connection: self._log(connection, sent, answer))
        return answer

    async def pretend(self) -> Answer:
        """Answer as if it were done, and log it; what was done is taken back at once. A refusal is one as ever."""
        if self.refused is not None:
            return await self.process()

        def write(connection: sqlite3.Connection) -> Answer:
            connection.execute("SAVEPOINT pretended")
            answer = self._answer(connection, replace(self.call, now=self.ehr.clock()))
            connection.execute("ROLLBACK TO pretended")
            connection.execute("RELEASE pretended")
            self._log(connection, None, answer)
            return answer

        return await self.ehr.database.write(write)

    async def log_unprocessed(self, sent: str) -> int:
        """Log a request that was not processed; returns the line's id."""
        return await self.ehr.database.write(lambda connection: self._log(connection, sent, None))

    async def complete_later(self, line: int) -> None:
        """Process a request whose line is in the log already."""

        def write(connection: sqlite3.Connection) -> None:
            answer = self._answer(connection, replace(self.call, now=self.ehr.clock()))
            request_log.complete(
                connection, line, answer=answer.status, reference=answer.reference, version=answer.version
            )

        await self.ehr.database.write(write)

    def _answer(self, connection: sqlite3.Connection, call: Call) -> Answer:
        # What is refused half way, as a bundle may be, is taken back; the line of the log is not.
        connection.execute("SAVEPOINT answer")
        try:
            whole = checked(call, self.ehr.conduct)
            answer = perform(Situation(call=whole, chart=self.ehr.chart(connection), conduct=self.ehr.conduct))
        except Refusal as refusal:
            connection.execute("ROLLBACK TO answer")
            answer = self.tell(refusal)
        connection.execute("RELEASE answer")
        return answer

    def tell(self, refusal: Refusal) -> Answer:
        """A refusal in the EHR's own words."""
        personality = self.ehr.conduct.personality
        is_native = personality.native_root is not None and self.path.startswith(personality.native_root)
        return personality.tell_native(refusal) if is_native else personality.tell(refusal)

    def _log(self, connection: sqlite3.Connection, sent: str | None, answer: Answer | None) -> int:
        entry = request_log.Entry(
            at=self.arrived_at,
            method=self.method,
            path=self.path,
            query=self.query,
            interaction=self.call.interaction,
            status=sent or (str(answer.status) if answer else "dropped"),
            answer=answer.status if answer else None,
            client=self.client,
            headers={name: value for name, value in self.call.headers.items() if name in request_log.KEPT_HEADERS},
            body_sha256=hashlib.sha256(self.call.body).hexdigest(),
            reference=answer.reference if answer else None,
            version=answer.version if answer else None,
            fault=self.fault,
        )
        return request_log.add(connection, entry)

    async def respond(self, answer: Answer) -> None:
        body = answer.body.encode()
        await self.start(answer, len(body))
        await self.send({"type": "http.response.body", "body": body})

    async def start(self, answer: Answer, length: int) -> None:
        """Send the head of an answer; `length` is the bytes of body it promises."""
        head = {"Date": formatdate(usegmt=True), **answer.headers}
        if self.ehr.behaviour.request_id_header:
            head[self.ehr.behaviour.request_id_header] = str(uuid4())
        if answer.status not in {204, 304}:
            head["Content-Length"] = str(length)
        if length:
            head["Content-Type"] = answer.content_type
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in head.items()]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": pairs})
