"""What workers tell each other before TensorFlow is imported: threads here, processes there."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from tests.free_addresses import free_addresses
from tf_lottery.training import meeting
from tf_lottery.training.meeting import meet
from tf_lottery.training.tf_config import Place
from tf_lottery.training.workers import Message


def met(*answers, word=lambda: {"threads": 3}, addresses=None):
    """What each of three workers has of it: what is returned, or the error."""
    addresses = addresses or tuple(free_addresses(len(answers) + 1))

    def take_part(index: int):
        answer = answers[index - 1] if index else None
        try:
            return meet(Place(addresses, index), word, answer)
        except (ValueError, OSError) as error:
            return error

    with ThreadPoolExecutor(len(addresses)) as threads:
        return list(threads.map(take_part, range(len(addresses))))


def accepts(word) -> None:
    assert word == {"threads": 3}


def refuses(word) -> None:
    raise ValueError("--workdir=here is not there")


def test_all_have_the_word_of_the_chief():
    assert met(accepts, accepts) == [{"threads": 3}] * 3


def test_one_that_refuses_ends_all():
    chief, first, second = met(accepts, refuses)
    assert str(second) == "--workdir=here is not there"
    assert str(chief) == str(first) == "worker 2 has stopped: --workdir=here is not there"


def test_a_chief_that_is_refused_ends_all():
    def word():
        raise ValueError("--workdir=file is a file")

    chief, first, second = met(accepts, accepts, word=word)
    assert str(chief) == "--workdir=file is a file"
    assert str(first) == str(second) == "the chief has stopped: --workdir=file is a file"


def test_a_worker_that_is_gone_ends_all(monkeypatch):
    def dies(word) -> None:
        raise RuntimeError

    def take_part():
        with pytest.raises(RuntimeError):
            meet(Place(addresses, 1), dict, dies)

    addresses = tuple(free_addresses(2))
    with ThreadPoolExecutor(1) as threads:
        gone = threads.submit(take_part)
        with pytest.raises(ConnectionError, match="another worker has ended"):
            meet(Place(addresses, 0), dict, accepts)
        gone.result()


def test_strangers_are_not_listened_to(monkeypatch):
    monkeypatch.setattr(meeting, "_SECONDS_TO_SPEAK", 0.2)
    addresses = tuple(free_addresses(2))
    host, port = addresses[0].split(":")
    hello = json.dumps({"worker": 1, "of": ["other:1", "cluster:2"]})

    def word():
        # It listens by now: the chief itself calls this.
        strangers.extend(socket.create_connection((host, int(port))) for _ in range(3))
        strangers[0].sendall(b"GET / HTTP/1.1\n")
        strangers[1].sendall(f"{hello}\n".encode())
        return {"threads": 3}

    strangers: list[socket.socket] = []
    assert met(accepts, word=word, addresses=addresses) == [{"threads": 3}] * 2
    for stranger in strangers:
        stranger.close()


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ValueError, match=rf"TF_CONFIG: the chief cannot listen at {address}"):
            meet(Place((address, "127.0.0.1:1"), 0), dict, accepts)


@pytest.mark.parametrize("index", [0, 1])
def test_once_devices_are_open_they_are_what_is_spoken_by(monkeypatch, index: int):
    class Workers:
        is_chief = index == 0

        def __init__(self, strategy):
            assert strategy == "opened"

        together = staticmethod(nullcontext)

        def from_chief(self, read):
            return read() if self.is_chief else Message({"threads": 3})

        def all(self, value: int) -> list[int]:
            return [0, value if index else refused]

    def said(answer):
        return meet(Place(("a:1", "b:1"), index), lambda: {"threads": 3}, answer)

    monkeypatch.setattr(meeting, "_opened_strategy", lambda: "opened")
    monkeypatch.setattr("tf_lottery.training.workers.Workers", Workers)
    refused = 0
    assert said(accepts) == {"threads": 3}
    refused = 1
    with pytest.raises(ValueError, match="is not there" if index else "worker 1 has stopped"):
        said(refuses)


_WORKER_WHOSE_CHIEF_HAS_DIED = """
import tf_lottery
from tf_lottery.training import strategy, tf_config

strategy._SECONDS_TO_CONNECT = 2
tf_config.note_meeting(tuple(tf_config.addresses_of_workers()))
strategy.open_strategy(tf_lottery.config_from_values({"distribution": "multi_worker"}).run)
"""


@pytest.mark.slow
def test_a_worker_does_not_wait_for_one_that_has_died_since():
    cluster = {"worker": free_addresses(2)}
    task = {"type": "worker", "index": 1}
    config = json.dumps({"cluster": cluster, "task": task})
    ended = subprocess.run(
        [sys.executable, "-c", _WORKER_WHOSE_CHIEF_HAS_DIED],
        env={**os.environ, "TF_CONFIG": config},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 1
    assert "Waiting for 2 workers, for 2 seconds at most: 127.0.0.1:" in ended.stdout
