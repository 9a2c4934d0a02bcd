import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from api.problem_handlers import add_problem_handlers
from api.problems import MEDIA_TYPE
from api.tracing import Tracing
from canonical.errors import IllegalTransitionError


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """An application whose every address goes wrong in a way of its own, on a real server."""
    app = FastAPI()

    def number(count: int) -> int:
        return count

    def teapot() -> None:
        raise HTTPException(418, "Lopez", headers={"X-Pot": "short"})

    def illegal() -> None:
        raise IllegalTransitionError("verified", "claimed")

    def cut() -> StreamingResponse:
        def content() -> Iterator[bytes]:
            yield b"a part"
            raise ValueError("Lopez has 72.50")

        return StreamingResponse(content(), headers={"Content-Length": "1000"})

    for path, endpoint in (("/number/{count}", number), ("/teapot", teapot), ("/illegal", illegal), ("/cut", cut)):
        app.add_api_route(path, endpoint, response_model=None)
    add_problem_handlers(app)
    app.add_middleware(Tracing)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    listening.listen(16)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
        yield client
    server.should_exit = True
    thread.join(10)
    listening.close()


def test_a_parameter_that_cannot_be_read_is_named_without_its_value(client: httpx.Client) -> None:
    answer = client.get("/number/Lopez")
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/path/count", "int-parsing")
    assert "Lopez" not in answer.text


def test_what_the_framework_refuses_is_a_problem_without_its_words(client: httpx.Client) -> None:
    answer = client.get("/teapot")
    assert (answer.status_code, answer.json()["code"], answer.headers["x-pot"]) == (500, "internal", "short")
    assert "Lopez" not in answer.text


def test_an_error_of_ours_that_has_no_row_is_a_defect(client: httpx.Client) -> None:
    answer = client.get("/illegal")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "verified" not in answer.text


def test_an_answer_that_a_defect_cuts_off_does_not_look_whole(
    client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/cut")
    logged = capfd.readouterr()
    assert "Lopez" not in logged.out + logged.err
