"""The workers that the environment variable TF_CONFIG names."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tf_lottery.config.run import RunConfig

_ADDRESS = re.compile(r".+:\d{1,5}")


def check_workers(run: RunConfig) -> None:
    """Checks that TF_CONFIG describes the workers, where it is looked at.

    Raises:
      ValueError: if it does not.
    """
    if run.distribution == "multi_worker":
        addresses_of_workers()
    elif run.distribution == "auto" and run.tpu is None:
        worker_addresses()


# The addresses of workers that have met each other in this process.
_met: set[tuple[str, ...]] = set()


def note_meeting(addresses: tuple[str, ...]) -> None:
    """Notes that the workers at these addresses have all been there a moment ago."""
    _met.add(addresses)


def have_met(addresses: tuple[str, ...]) -> bool:
    """Whether all workers at these addresses have been there."""
    return addresses in _met


class Place(NamedTuple):
    """One of several workers that train together.

    Attributes:
      addresses: of all of them; the chief's is the first.
      index: of this process among them.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.index == 0


def place_among_workers(run: RunConfig) -> Place | None:
    """The place of this process among those that train together; None if it trains alone.

    Args:
      run: where an experiment runs: with some values of --distribution TF_CONFIG is not looked at.

    Raises:
      ValueError: if TF_CONFIG, where it is looked at, does not describe the workers.
    """
    looked_at = run.distribution == "multi_worker" or (
        run.distribution == "auto" and run.tpu is None
    )
    addresses = worker_addresses() if looked_at else []
    if len(addresses) < 2:
        return None
    tf_config = _tf_config()
    cluster, task = tf_config["cluster"], tf_config["task"]
    return Place(tuple(addresses), addresses.index(cluster[task["type"]][task["index"]]))


def is_chief(run: RunConfig) -> bool:
    """Whether this process is the one that writes and reports, of all that train together.

    Raises:
      ValueError: as of `place_among_workers`.
    """
    place = place_among_workers(run)
    return place is None or place.is_chief


@contextmanager
def without_workers() -> Iterator[None]:
    """A block in which this process, and those it starts, are alone, whatever TF_CONFIG says."""
    given = os.environ.pop("TF_CONFIG", None)
    try:
        yield
    finally:
        if given is not None:
            os.environ["TF_CONFIG"] = given


def addresses_of_workers() -> list[str]:
    """Addresses of chief and workers, of which there have to be some.

    Raises:
      ValueError: if TF_CONFIG does not describe them.
    """
    addresses = worker_addresses()
    if not addresses:
        raise ValueError(
            "--distribution=multi_worker needs the environment variable TF_CONFIG, such as "
            '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", '
            '"index": 0}}, with another index on each worker.'
        )
    return addresses


def worker_addresses() -> list[str]:
    """Addresses of chief and workers; none without TF_CONFIG.

    Raises:
      ValueError: if TF_CONFIG does not describe them, with this process as one of them.
    """
    tf_config = _tf_config()
    cluster, task = tf_config.get("cluster", {}), tf_config.get("task", {})
    if not cluster:
        return []

    def require(holds: bool, wrong: str) -> None:
        if not holds:
            raise ValueError(f"TF_CONFIG does not fit: {wrong}.")

    require(isinstance(cluster, dict) and isinstance(task, dict), "cluster and task are objects")
    require(
        set(cluster) <= {"chief", "worker"},
        f"the cluster has jobs {', '.join(cluster)}; only chief and worker train together",
    )
    require(len(cluster.get("chief", [])) <= 1, "there can be one chief only")
    for job, hosts in cluster.items():
        require(
            isinstance(hosts, list)
            and all(isinstance(host, str) and _ADDRESS.fullmatch(host) for host in hosts),
            f"{job} is {hosts!r}, not a list of 'host:port'",
        )
    addresses = [*cluster.get("chief", []), *cluster.get("worker", [])]
    require(len(set(addresses)) == len(addresses), "an address occurs twice")
    kind, index = task.get("type"), task.get("index")
    require(kind in cluster, f"task type {kind!r} is not one of {', '.join(cluster)}")
    require(
        isinstance(index, int) and 0 <= index < len(cluster[kind]),
        f"task index {index!r} is not one of 0 to {len(cluster[kind]) - 1} of the {kind}s",
    )
    return addresses


def _tf_config() -> dict[str, Any]:
    text = os.environ.get("TF_CONFIG", "").strip() or "{}"
    try:
        tf_config = json.loads(text)
        if not isinstance(tf_config, dict):
            raise ValueError("it is not a JSON object")
    except ValueError as error:
        raise ValueError(f"TF_CONFIG={text[:200]!r} cannot be read: {error}.") from error
    return tf_config
