"""What worker processes have to say, heard by the process that started them.

Each has a connection of its own. A queue of all would have a lock of all, which a process that is
killed while it writes never gives back.
"""

import secrets
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError, current_process
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

# What a connection raises whose other end is gone, or was killed in the middle of a message.
_CUT_OFF = (OSError, EOFError, AuthenticationError)


class Mailbox:
    """Takes messages of other processes of this machine, from any number of connections."""

    def __init__(self, take: Callable[[Any], None]):
        """Begins to listen.

        Args:
          take: is called with each message, by one thread at a time; those of one connection come
            in the order in which they were sent.
        """
        self._take, self._one_at_a_time, self._closed = take, threading.Lock(), False
        # On Linux a name without a file, of which nothing is left if this process is killed.
        name = f"\0tf_lottery_{secrets.token_hex(16)}" if sys.platform == "linux" else None
        self._listener = Listener(name, backlog=16, authkey=current_process().authkey)
        self.address = self._listener.address
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Takes no new connection; those that there are end with their other ends."""
        self._closed = True
        # The last one, for which the thread waits.
        Sender(self.address).close()
        self._accepting.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            with suppress(*_CUT_OFF):
                connection = self._listener.accept()
                if self._closed:
                    connection.close()
                    return
                threading.Thread(target=self._hear, args=(connection,), daemon=True).start()

    def _hear(self, connection: Connection) -> None:
        with connection:
            while True:
                try:
                    message = connection.recv()
                except _CUT_OFF:
                    return
                with self._one_at_a_time:
                    self._take(message)


class Sender:
    """The connection of a process to the mailbox of the one that started it."""

    def __init__(self, address: Any):
        """Connects.

        Args:
          address: of the mailbox.

        Raises:
          OSError: nobody listens there any more.
        """
        self._one_at_a_time = threading.Lock()
        self._connection = Client(address, authkey=current_process().authkey)

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
