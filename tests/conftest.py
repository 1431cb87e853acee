"""Two logical CPU devices for every test, to test distribution strategies; a core per process."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
import tensorflow as tf

# Where several processes test at once, each has a core: the threads of networks as small as these
# mostly wait for one another, and spin meanwhile.
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if _worker and hasattr(os, "sched_setaffinity"):
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_cores[int(_worker.removeprefix("gw")) % len(_cores)]})

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def mirrored() -> tf.distribute.Strategy:
    """A MirroredStrategy over two replicas; one only, as collectives of several would mix."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
