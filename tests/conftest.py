"""Two logical CPU devices for every test, so that distribution strategies can be tested."""

from __future__ import annotations

import gc
import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tensorflow as tf

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As the program has it: what is computed here and there is compared bit by bit.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Programs that tests start keep nothing in the user's folder for caches.
os.environ.setdefault("TF_XLA_FLAGS", "")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Sets the devices up, but not in a process that only hands the tests to others."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # In the background a shell may have programs ignore Ctrl-C, and those that tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if session.config.getoption("numprocesses", default=None):
        return
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


def pytest_collection_finish() -> None:
    """Spares the collector all modules and tests, which stay until the end."""
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    """Fails where a file's tests leave a plug-in behind: those that follow would find it."""
    yield
    from tests.registries import what_tests_have_added

    assert what_tests_have_added() == []


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the files of figures blank."""
    from tests.blank_figures import save_blank

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save_blank)


@pytest.fixture
def pictures() -> None:
    """Lets a test draw the figures where they are blank without it."""


@pytest.fixture(scope="session")
def mirrored() -> tf.distribute.Strategy:
    """The program's MirroredStrategy over two replicas: collectives of several would mix."""
    from tf_lottery.config.run import RunConfig
    from tf_lottery.training.strategy import open_strategy

    return open_strategy(RunConfig(distribution="mirrored"))
