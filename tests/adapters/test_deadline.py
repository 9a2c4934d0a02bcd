import httpcore
import pytest

from adapters.deadline import Call, DeadlineBackend, TooLateError
from canonical.boot_clock import boot_seconds
from tests.adapters.raw_server import RawServer, answering


def test_call_gives_each_socket_operation_what_is_left() -> None:
    call = Call(ends_at=boot_seconds() + 10, leave_by=boot_seconds() + 10)
    assert call.within(3, TimeoutError) == 3
    assert 9 < call.within(None, TimeoutError) <= 10


def test_call_that_is_over_allows_no_socket_operation() -> None:
    with pytest.raises(TimeoutError):
        Call(ends_at=boot_seconds() - 1, leave_by=0).within(3, TimeoutError)


def test_first_byte_may_not_leave_late_but_the_rest_may() -> None:
    late = Call(ends_at=boot_seconds() + 10, leave_by=boot_seconds() - 1)
    with pytest.raises(TooLateError):
        late.begin_to_send()
    assert not late.sent
    begun = Call(ends_at=boot_seconds() + 10, leave_by=boot_seconds() - 1, sent=True)
    begun.begin_to_send()
    assert begun.sent


def test_stream_outside_a_call_is_an_error_of_ours() -> None:
    backend = DeadlineBackend()
    with RawServer(answering(b"")) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        stream = backend.connect_tcp("127.0.0.1", port, timeout=2)
        with pytest.raises(httpcore.LocalProtocolError):
            stream.write(b"x")
        stream.close()
