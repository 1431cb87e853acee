"""The processes that train one network together, and what they tell each other."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from tf_lottery.masking.masks import Mask

_T = TypeVar("_T")


class Message(NamedTuple):
    """What can be sent to other workers.

    Attributes:
      record: JSON.
      tensors: arrays by name.
    """

    record: Any
    tensors: Mapping[str, np.ndarray] = {}


class WorkerLostError(ConnectionError):
    """Another worker has ended, and the others cannot go on without it."""


class Workers:
    """All workers of a strategy; mostly there is one, and then nothing is sent.

    With several, each method but the properties has to be called by all of them in the same order.
    Everything is sent as a sum over the workers, which every strategy has.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None):
        """Finds the workers.

        Args:
          strategy: by default the one in whose scope this is called.
        """
        self._strategy = strategy or tf.distribute.get_strategy()
        resolver = self._strategy.cluster_resolver
        together = isinstance(self._strategy, tf.distribute.MultiWorkerMirroredStrategy)
        jobs = resolver.cluster_spec().as_dict() if together else {}
        addresses = {job: len(jobs.get(job, ())) for job in ("chief", "worker")}
        self.count = max(1, sum(addresses.values()))
        self.index = 0
        if self.count > 1:
            after_chief = addresses["chief"] if resolver.task_type == "worker" else 0
            self.index = after_chief + resolver.task_id

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes and reports."""
        return self.index == 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block in which the workers wait for each other.

        Raises:
          WorkerLostError: if one of the others ends in the meantime.
        """
        try:
            yield
        except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError):
            if self.count == 1:
                raise
            raise WorkerLostError(
                "another worker has ended; look at its messages, then start all workers again "
                "with the same commands. Finished levels are kept."
            ) from None

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Adds the values of all workers; float or int64 arrays."""
        if self.count == 1:
            return values
        own = [values] + [np.zeros_like(values)] * len(self._strategy.extended.worker_devices)
        shares = iter(own)
        distributed = self._strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(next(shares))
        )
        return self._strategy.reduce("SUM", distributed, axis=None).numpy()

    def all(self, value: int) -> list[int]:
        """The value of each worker, in the order of the workers."""
        if self.count == 1:
            return [value]
        return self.sum(np.eye(self.count, dtype=np.int64)[self.index] * value).tolist()

    def on_chief(self, action: Callable[[], _T]) -> _T | None:
        """Lets the chief do something while the others wait.

        Returns:
          What the chief's action returned; None for the others.

        Raises:
          ValueError: if the chief's action raised one, or an ArithmeticError; to the others with
            the chief's words.
        """
        results: list[_T] = []

        def act() -> Message:
            results.append(action())
            return Message(None)

        self.from_chief(act)
        return results[0] if results else None

    def from_chief(self, read: Callable[[], Message]) -> Message:
        """Gives all workers what the chief reads; the others do not read.

        Raises:
          ValueError: as in `on_chief`.
        """
        if self.count == 1:
            return read()
        if not self.is_chief:
            message = _decode(self._broadcast(None))
            if "error" in message.record:
                raise ValueError(f"the chief has stopped: {message.record['error']}")
            return Message(message.record["content"], message.tensors)
        try:
            message = read()
        except (ValueError, ArithmeticError) as error:
            self._broadcast(_encode(Message({"error": str(error)})))
            raise
        self._broadcast(_encode(Message({"content": message.record}, message.tensors)))
        return message

    def agree(self, mask: Mask) -> Mask:
        """Gives all workers the chief's mask."""
        return Mask(self.from_chief(lambda: Message(None, mask)).tensors)

    def _broadcast(self, data: bytes | None) -> bytes:
        """Sends bytes from the chief; as integers, whose sum with zeros keeps every bit."""
        length = int(self.sum(np.array([len(data or b"")], np.int64))[0])
        padded = (data or b"").ljust(-(-length // 8) * 8, b"\0")
        return self.sum(np.frombuffer(padded, np.int64)).tobytes()[:length]


def _encode(message: Message) -> bytes:
    file = io.BytesIO()
    names = list(message.tensors)
    header = json.dumps({"record": message.record, "names": names}).encode()
    arrays: dict[str, Any] = {str(index): message.tensors[name] for index, name in enumerate(names)}
    np.savez(file, header=np.frombuffer(header, np.uint8), **arrays)
    return file.getvalue()


def _decode(data: bytes) -> Message:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        header = json.loads(arrays["header"].tobytes())
        return Message(
            header["record"],
            {name: arrays[str(index)] for index, name in enumerate(header["names"])},
        )
