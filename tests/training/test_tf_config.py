"""Which of the workers that TF_CONFIG names is the chief."""

import json

import pytest

from tf_lottery.config.run import RunConfig
from tf_lottery.training.tf_config import Place, is_chief, place_among_workers, without_workers

_WORKERS = {"worker": ["a:1", "b:1"]}
_CHIEF_TOO = {"chief": ["c:1"], **_WORKERS}


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "chief"),
    [
        (_WORKERS, "worker", 0, True),
        (_WORKERS, "worker", 1, False),
        (_CHIEF_TOO, "chief", 0, True),
        (_CHIEF_TOO, "worker", 0, False),
        ({"chief": [], **_WORKERS}, "worker", 0, True),
    ],
)
def test_the_chief_is_the_first_of_all(monkeypatch, cluster, kind, index, chief: bool):
    tf_config = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(tf_config))
    assert is_chief(RunConfig()) is chief
    assert is_chief(RunConfig(distribution="multi_worker")) is chief


@pytest.mark.parametrize("run", [RunConfig(distribution="mirrored"), RunConfig(tpu="local")])
def test_whoever_trains_alone_is_the_chief(monkeypatch, run: RunConfig):
    task = {"type": "worker", "index": 1}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": _WORKERS, "task": task}))
    assert is_chief(run)
    monkeypatch.delenv("TF_CONFIG")
    assert is_chief(RunConfig())


def test_a_process_can_be_alone_for_a_while(monkeypatch):
    task = {"type": "worker", "index": 1}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": _CHIEF_TOO, "task": task}))
    place = place_among_workers(RunConfig())
    assert place == Place(("c:1", "a:1", "b:1"), 2)
    with without_workers():
        assert place_among_workers(RunConfig()) is None
    assert place_among_workers(RunConfig()) == place


def test_a_single_worker_trains_alone(monkeypatch):
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}, "task": task}))
    assert place_among_workers(RunConfig()) is None
