"""An HTTP server for the tests that ends at once. Not how the product is served."""

import asyncio
import socket

import httpx
import uvicorn

#: For clients of plain HTTP: reading all authorities of the machine, for each of them, costs more than most requests.
TRUST = httpx.create_ssl_context()
#: Seconds between two looks whether the last answer has left.
_LOOK_AGAIN = 0.005


class PromptServer(uvicorn.Server):
    """Ends as soon as it is told to: the usual one looks ten times a second and then pauses, a thousand times in a run."""

    _loop: asyncio.AbstractEventLoop | None = None
    _told: asyncio.Event

    def end(self) -> None:
        """Let it finish what it is at, and end; from any thread."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self._told = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in tuple(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - these are sets, not events
            await asyncio.sleep(_LOOK_AGAIN)
