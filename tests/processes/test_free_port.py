import socket

from processes.free_port import LOOPBACK, free_port, is_free


def test_a_free_port_can_be_bound() -> None:
    port = free_port()
    with socket.socket() as listener:
        listener.bind((LOOPBACK, port))
        assert listener.getsockname() == (LOOPBACK, port)


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)
