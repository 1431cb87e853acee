"""Two logical CPU devices for every test, so that distribution strategies can be tested."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import tensorflow as tf

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Sets the devices up, but not in a process that only hands the tests to others."""
    if session.config.getoption("numprocesses", default=None):
        return
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


def pytest_collection_finish() -> None:
    """Spares the collector all modules and tests, which stay until the end."""
    gc.freeze()


@pytest.fixture(scope="session")
def mirrored() -> tf.distribute.Strategy:
    """A MirroredStrategy over two replicas; one only, as collectives of several would mix."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
