"""What several workers tell each other before TensorFlow is imported.

How many threads compute and by which kernels is settled then, and what a worker is refused for has
to reach the others, which would wait for it. The chief listens on its address of TF_CONFIG until
all have come; later TensorFlow does. What is sent are lines of JSON.
"""

import json
import math
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from tf_lottery.messages import tell
from tf_lottery.training.tf_config import Place, note_meeting

_SECONDS_BETWEEN_TRIES = 0.2
# For who connects to say which worker it is, and to go.
_SECONDS_TO_SPEAK = 5.0
# For the others to come, if all that they are told is that this one has stopped.
_SECONDS_FOR_LAST_WORDS = 30.0
# After which it is said who is waited for.
_SECONDS_OF_SILENCE = 2.0

_LOST = (
    "another worker has ended; look at its messages, then start all workers again with the same "
    "commands."
)


def end_others(place: Place, refusal: str) -> None:
    """Tells the others, which would wait for this process, that it takes part in nothing.

    Those that come within half a minute, and of others than the chief the chief.

    Args:
      place: of this process.
      refusal: why.
    """

    def refuse(*_: Any) -> None:
        raise ValueError(refusal)

    with suppress(ValueError, OSError):
        meet(place, refuse, refuse, patience=_SECONDS_FOR_LAST_WORDS)


def meet(
    place: Place,
    word: Callable[[], Any],
    answer: Callable[[Any], None],
    *,
    patience: float = math.inf,
) -> Any:
    """Gives all workers what the chief says, if nothing speaks against it.

    Args:
      place: of this process; all workers have to call this, in the same order.
      word: says it, as JSON; is called on the chief alone.
      answer: is called on the others with it. What it raises ends all of them.
      patience: seconds that they wait for the chief to come.

    Returns:
      What the chief has said.

    Raises:
      ValueError: if one of the workers has raised one; to the others with that worker's words.
      OSError: as `ValueError`; or a worker has ended meanwhile.
    """
    strategy = _opened_strategy()
    if strategy is not None:
        return _meet_again(strategy, word, answer)
    said = _lead(place, word) if place.is_chief else _follow(place, answer, patience)
    note_meeting(place.addresses)
    return said


def _opened_strategy() -> Any:
    """What connects the workers by now, if an earlier command of this process has opened it."""
    if "tf_lottery.training.strategy" not in sys.modules:
        return None
    from tf_lottery.training.strategy import strategy_of_workers

    return strategy_of_workers()


def _meet_again(strategy: Any, word: Callable[[], Any], answer: Callable[[Any], None]) -> Any:
    from tf_lottery.training.workers import Message, Workers

    workers, error = Workers(strategy), None
    with workers.together():
        said = workers.from_chief(lambda: Message(word())).record
        try:
            if not workers.is_chief:
                answer(said)
        except (ValueError, OSError) as refused:
            error = refused
        stopped = workers.all(int(error is not None))
    if error is not None:
        raise error
    if any(stopped):
        raise ValueError(f"worker {stopped.index(1)} has stopped; look at its messages.")
    return said


def _lead(place: Place, word: Callable[[], Any]) -> Any:
    with ExitStack() as stack:
        server = stack.enter_context(_listening(place.addresses[0]))
        try:
            said = word()
        except (ValueError, OSError) as error:
            for line in _gathered(place, server, stack, _SECONDS_FOR_LAST_WORDS).values():
                line.end(f"the chief has stopped: {error}")
            raise
        lines = _gathered(place, server, stack)
        for line in lines.values():
            line.send({"word": said})
        refusals = {index: line.heard()["refused"] for index, line in sorted(lines.items())}
        refused = [
            f"worker {index} has stopped: {text}" for index, text in refusals.items() if text
        ]
        for line in lines.values():
            line.end(*refused[:1])
        if refused:
            raise ValueError(refused[0])
        return said


def _follow(place: Place, answer: Callable[[Any], None], patience: float) -> Any:
    with ExitStack() as stack:
        line, heard = _connected(place, stack, patience)
        if "word" in heard:
            try:
                answer(heard["word"])
            except (ValueError, OSError) as error:
                line.send({"refused": str(error)})
                with suppress(ConnectionError):
                    line.heard()
                raise
            line.send({"refused": ""})
            refused = line.heard()["refused"]
        else:
            refused = heard["refused"]
        if refused:
            raise ValueError(refused)
        return heard["word"]


class _Line:
    """To another worker."""

    def __init__(self, connection: socket.socket, stack: ExitStack):
        """Is closed with the stack."""
        self._connection = stack.enter_context(connection)
        self._reader = stack.enter_context(connection.makefile(encoding="utf-8"))

    def send(self, message: Any) -> None:
        try:
            self._connection.sendall(f"{json.dumps(message)}\n".encode())
        except OSError as error:
            raise ConnectionError(_LOST) from error

    def heard(self, seconds: float | None = None) -> Any:
        """Waits for what the other sends."""
        self._connection.settimeout(seconds)
        try:
            text = self._reader.readline()
        except OSError as error:
            raise ConnectionError(_LOST) from error
        if not text:
            raise ConnectionError(_LOST)
        return json.loads(text)

    def end(self, refused: str = "") -> None:
        """Says how it has ended, and waits for the other to go.

        Who closes first keeps its address busy for some time.
        """
        with suppress(OSError, ValueError):
            self.send({"refused": refused})
            self.heard(_SECONDS_TO_SPEAK)


def _listening(address: str) -> socket.socket:
    port = int(address.rpartition(":")[2])
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise ValueError(
            f"TF_CONFIG: the chief cannot listen at {address} ({error.strerror}); give a port that "
            "is free on its machine."
        ) from error


def _gathered(
    place: Place, server: socket.socket, stack: ExitStack, patience: float = math.inf
) -> dict[int, _Line]:
    """Waits until all others have connected, or for some seconds; returns the line to each."""
    begun, told, lines = time.monotonic(), False, {}
    server.settimeout(_SECONDS_OF_SILENCE)
    while len(lines) < len(place.addresses) - 1 and time.monotonic() < begun + patience:
        try:
            line = _Line(server.accept()[0], stack)
        except TimeoutError:
            if not told:
                tell(f"Waiting for {len(place.addresses)} workers: {', '.join(place.addresses)}")
                told = True
            continue
        # It may be anybody.
        with suppress(OSError, ValueError, KeyError, TypeError):
            hello = line.heard(_SECONDS_TO_SPEAK)
            if hello["of"] == list(place.addresses):
                lines[hello["worker"]] = line
    return lines


def _connected(place: Place, stack: ExitStack, patience: float) -> tuple[_Line, Any]:
    """Tries until the chief answers; returns the line to it, and its answer.

    Raises:
      ConnectionError: if it has not within so many seconds.
    """
    begun, told, address = time.monotonic(), False, place.addresses[0]
    host, _, port = address.rpartition(":")
    while time.monotonic() < begun + patience:
        # Another process, of an earlier command, may answer there and end.
        with suppress(OSError, ValueError):
            connection = socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_SPEAK)
            line = _Line(connection, stack)
            line.send({"worker": place.index, "of": list(place.addresses)})
            heard = line.heard()
            if isinstance(heard, dict):
                return line, heard
        if not told and time.monotonic() > begun + _SECONDS_OF_SILENCE:
            tell(f"Waiting for the chief of {len(place.addresses)} workers: {address}")
            told = True
        time.sleep(_SECONDS_BETWEEN_TRIES)
    raise ConnectionError(_LOST)
