"""What takes the metrics of runs to where people look at them, TensorBoard among them."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tf_lottery.config.arguments import refusal
from tf_lottery.registry import Registry
from tf_lottery.users_code import plugin_faults_named


@dataclass(frozen=True)
class LoggedRun:
    """The run, or the branch of one, whose metrics a logger takes.

    Attributes:
      path: its folder.
      group: name of the run, which its replicates and their branches have in common.
      name: the group, the replicate and, of a branch, its label, with "/" between them.
      flags: all that its results depend on.
      changed: those of the flags that differ from their defaults.
    """

    path: Path
    group: str
    name: str
    flags: Mapping[str, Any]
    changed: Mapping[str, Any]


class RunLogger:
    """Takes the metrics of one run while it is trained; only the chief of several workers has one.

    What it raises is said once, and training goes on without it.

    Attributes:
      keeps: whether it still has what it was told in an earlier process, and is not told it again,
        when the run is continued. Otherwise it is told the level that goes on from its beginning,
        and the results of those that are finished.
      package: the module that it needs, if it is not always there.
      install: what pip installs it by.
    """

    keeps = True
    package = ""
    install = ""

    @classmethod
    def check(cls) -> None:
        """Looks before training whether all is set up; the package is there.

        Raises:
          ValueError: says what is missing.
        """

    def begin(self, run: LoggedRun, known: str | None) -> str | None:
        """Training begins or goes on.

        Args:
          run: what is trained.
          known: what this method returned when training began; None if it begins now.

        Returns:
          What identifies the run with the logger, which the run folder keeps.
        """

    def start_level(self, level: int) -> None:
        """The training of a level begins or goes on.

        Args:
          level: number of prunings so far.
        """

    def evaluation(self, level: int, step: int, values: Mapping[str, float]) -> None:
        """An evaluation.

        Args:
          level: number of prunings so far.
          step: iterations of training.
          values: by names such as "accuracy/test".
        """

    def finish_level(self, level: int, values: Mapping[str, float]) -> None:
        """A level is finished.

        Args:
          level: number of prunings so far.
          values: its results, by names such as "density".
        """

    def end(self, finished: bool) -> None:
        """Training has ended.

        Args:
          finished: False if an error or Ctrl-C has ended it.
        """


LOGGERS: Registry[type[RunLogger]] = Registry(
    "logger", "--log_to", "tf_lottery.experiments.loggers"
)

L = TypeVar("L", bound=type[RunLogger])


def register_logger(name: str) -> Callable[[L], L]:
    """Registers a class as what `--log_to=NAME` logs to; its file must not import TensorFlow.

    ```python
    @register_logger("lines")
    class Lines(RunLogger):
        def evaluation(self, level, step, values):
            print(level, step, values)
    ```

    Args:
      name: as in `--log_to`.

    Returns:
      The decorator.
    """

    def add(logger: L) -> L:
        LOGGERS.add(name, logger, logger.__module__)
        return logger

    return add


def read_loggers(argument: str, value: Any) -> tuple[str, ...]:
    """Reads names of loggers, separated by commas.

    Args:
      argument: its name, for error messages.
      value: a text; one without anything names none.

    Raises:
      ValueError: if one is not known, or is there twice.
    """
    names = tuple(part.strip() for part in value.split(",") if part.strip())
    for name in names:
        LOGGERS.find(name)
    if len({*names}) < len(names):
        raise refusal(argument, value, "name each logger once")
    return names


def check_loggers(text: str) -> None:
    """Refuses loggers whose packages are not installed, or that are not set up.

    Args:
      text: the value of --log_to.

    Raises:
      ValueError: says what to install or to set.
    """
    for name in read_loggers("--log_to", text):
        logger = LOGGERS.find(name)
        try:
            if logger.package:
                importlib.import_module(logger.package)
        except ImportError as error:
            raise ValueError(
                f"--log_to={name} needs the package {logger.package}, which cannot be imported "
                f"({error}): pip install {logger.install or logger.package}."
            ) from error
        with plugin_faults_named(f"--log_to={name}", logger.__module__):
            logger.check()
