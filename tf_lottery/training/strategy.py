"""The distribution strategy that the flags ask for."""

import faulthandler
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import tensorflow as tf

from tf_lottery.config.run import RunConfig
from tf_lottery.messages import tell
from tf_lottery.training.tf_config import addresses_of_workers, have_met, worker_addresses

_SECONDS_TO_ANSWER = 10
# For workers that have met to import TensorFlow.
_SECONDS_TO_CONNECT = 300


def open_strategy(config: RunConfig) -> tf.distribute.Strategy:
    """Opens the devices for training; to be called before anything else uses TensorFlow.

    With --distribution=auto, a strategy in whose scope this is called is used.

    Args:
      config: distribution, tpu and num_virtual_devices.

    Raises:
      ValueError: if the devices are not there, or TF_CONFIG does not describe the workers.
    """
    if config.num_virtual_devices is not None:
        _split_cpu(config.num_virtual_devices)
    if config.distribution == "auto" and tf.distribute.has_strategy():
        return tf.distribute.get_strategy()
    distribution = _resolve(config)
    if distribution == "tpu":
        return _tpu_strategy(config.tpu)
    if distribution == "multi_worker":
        return _multi_worker_strategy(tuple(addresses_of_workers()))
    if distribution == "mirrored" and len(devices := _local_devices()) > 1:
        return _mirrored_strategy(tuple(devices))
    # The default one, which uses the first GPU if there is any.
    return tf.distribute.get_strategy()


def merges(strategy: tf.distribute.Strategy) -> bool:
    """Whether replicas wait for each other at each step: a mirrored one does without others too."""
    mirrored = tf.distribute.MirroredStrategy | tf.distribute.MultiWorkerMirroredStrategy
    return strategy.num_replicas_in_sync > 1 or isinstance(strategy, mirrored)


def strategy_of_workers() -> tf.distribute.Strategy | None:
    """The strategy of several workers that this process has opened; None if it has not."""
    opened = _multi_worker_strategy.cache_info().currsize
    return _multi_worker_strategy(tuple(addresses_of_workers())) if opened else None


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Checks that the replicas can share a batch equally.

    Raises:
      ValueError: if they cannot; says what would do.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        nearest = max(1, round(batch_size / replicas)) * replicas
        raise ValueError(
            f"--batch_size={batch_size} is the batch of all replicas together, and the {replicas} "
            f"replicas cannot share it equally; use a multiple of {replicas}, such as {nearest}."
        )


def _resolve(config: RunConfig) -> str:
    if config.distribution != "auto":
        return config.distribution
    if config.tpu is not None:
        return "tpu"
    if len(worker_addresses()) > 1:
        return "multi_worker"
    several = config.num_virtual_devices or len(tf.config.list_physical_devices("GPU"))
    return "mirrored" if several > 1 else "one_device"


def _split_cpu(devices: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * devices
        )
    except RuntimeError:
        there = len(tf.config.list_logical_devices("CPU"))
        if there != devices:
            raise ValueError(
                f"--num_virtual_devices={devices}: TensorFlow is in use already, with {there} CPU "
                "devices; start a new process."
            ) from None


def _local_devices() -> list[str]:
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    return [f"{kind}:{index}" for index in range(len(tf.config.list_logical_devices(kind)))]


# One for all runs of a process: each new one would count its collective operations from the same
# number, and TensorFlow takes those of a network of other shapes for members of the former's. A
# second one of several workers begins anew with what connects them, while others may use it.
@lru_cache
def _mirrored_strategy(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(devices)


def _tpu_strategy(address: str | None) -> tf.distribute.Strategy:
    flag = f"--tpu={address}" if address is not None else "--distribution=tpu without --tpu"
    target = urlsplit(address or "")
    try:
        if target.scheme == "grpc":
            # TensorFlow would wait for a machine that does not answer.
            with socket.create_connection((target.hostname, target.port), _SECONDS_TO_ANSWER):
                pass
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address or "")
        if address != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    # The resolver asks services of Google's cloud, which fail in ways of their own.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{flag}: no TPU can be reached ({type(error).__name__}: {reason}). Give its name, its "
            "address as grpc://HOST:PORT, or 'local' on a TPU machine."
        ) from error


@contextmanager
def _ending_after(seconds: float | None) -> Iterator[None]:
    """Ends the process if the block takes longer.

    For a worker that has died TensorFlow waits an hour, in which no signal and no thread of Python
    is heeded; the thread of faulthandler is.
    """
    if seconds is None:
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


@lru_cache
def _multi_worker_strategy(addresses: tuple[str, ...]) -> tf.distribute.Strategy:
    # Those that have met are all importing TensorFlow; others may be started at any time.
    limit = _SECONDS_TO_CONNECT if have_met(addresses) else None
    at_most = f", for {limit} seconds at most" if limit else ""
    tell(f"Waiting for {len(addresses)} workers{at_most}: {', '.join(addresses)}")
    try:
        with _ending_after(limit):
            return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"--distribution=multi_worker cannot start: {reason}") from error
