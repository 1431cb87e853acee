"""What worker processes have to say, heard by the process that started them.

Each process has a connection of its own. A queue for all of them would have one lock, and a process
that is killed while it writes would never give the lock back.
"""

import hmac
import secrets
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, NamedTuple

# What a connection raises when its other end is gone, or was killed in the middle of a message.
_CUT_OFF = (OSError, EOFError)
_SECONDS_TO_CLOSE = 5.0
_SECONDS_AFTER_ERRORS = 0.1


class Address(NamedTuple):
    """Where a mailbox listens, and the word by which it knows who may be heard."""

    place: Any
    password: bytes


class Mailbox:
    """Takes messages of other processes of this machine, from any number of connections."""

    def __init__(self, take: Callable[[Any], None], lose: Callable[[], None] = lambda: None):
        """Begins to listen.

        Args:
          take: is called with each message, by one thread at a time; those of one connection come
            in the order in which they were sent.
          lose: is called when a connection has ended, as when the process there has.
        """
        self._take, self._lose = take, lose
        self._one_at_a_time, self._closed = threading.Lock(), False
        # On Linux a name without a file, of which nothing is left if this process is killed.
        name = f"\0tf_lottery_{secrets.token_hex(16)}" if sys.platform == "linux" else None
        self._listener = Listener(name, backlog=128)
        self.address = Address(self._listener.address, secrets.token_bytes(32))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Takes no new connection; those that there are end with their other ends."""
        self._closed = True
        # Wakes the thread that waits for one.
        with suppress(*_CUT_OFF):
            Client(self.address.place).close()
        self._accepting.join(_SECONDS_TO_CLOSE)
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection = self._listener.accept()
            except _CUT_OFF:
                # Such as that this process has too many files open.
                time.sleep(_SECONDS_AFTER_ERRORS)
                continue
            threading.Thread(target=self._hear, args=(connection,), daemon=True).start()

    def _hear(self, connection: Connection) -> None:
        with connection, suppress(*_CUT_OFF):
            given = connection.recv_bytes(len(self.address.password))
            if not hmac.compare_digest(given, self.address.password):
                return
            try:
                while True:
                    message = connection.recv()
                    with self._one_at_a_time:
                        self._take(message)
            finally:
                self._lose()


class Sender:
    """The connection of a process to the mailbox of the one that started it."""

    def __init__(self, address: Address):
        """Connects.

        Args:
          address: of the mailbox.

        Raises:
          OSError: nobody listens there any more.
        """
        self._one_at_a_time = threading.Lock()
        self._connection = Client(address.place)
        self._connection.send_bytes(address.password)

    def send(self, message: Any) -> None:
        """Sends anything that pickle can write.

        Raises:
          OSError: nobody listens any more.
        """
        with self._one_at_a_time:
            self._connection.send(message)

    def close(self) -> None:
        """Says no more."""
        self._connection.close()
