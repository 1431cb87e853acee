"""Addresses at which workers can listen."""

import socket
from contextlib import ExitStack


def free_addresses(count: int) -> list[str]:
    """Addresses of this machine whose ports are free, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
