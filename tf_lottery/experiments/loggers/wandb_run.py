"""Weights & Biases."""

import os
from collections.abc import Mapping
from typing import Any

from tf_lottery.config.loggers import LoggedRun, RunLogger, register_logger


@register_logger("wandb")
class WeightsAndBiases(RunLogger):
    """A run of Weights & Biases for each run, in the project "tf_lottery"; replicates are a group.

    The variables of wandb, such as WANDB_MODE=offline, WANDB_PROJECT and WANDB_DIR, count.
    """

    package = "wandb"
    install = '"tf_lottery[wandb]"'

    def begin(self, run: LoggedRun, known: str | None) -> str:
        """Starts a run there, or goes on with it."""
        import wandb

        folder = run.path / "logging"
        folder.mkdir(exist_ok=True)
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "tf_lottery"),
            group=run.group,
            name=run.name,
            config=dict(run.flags),
            dir=os.environ.get("WANDB_DIR", str(folder)),
            id=known,
            resume=None if known is None else "allow",
            # A script may have a run of its own.
            reinit="create_new",
            settings={"console": "off"},
        )
        self._run.define_metric("levels/*", step_metric="level")
        return self._run.id

    def start_level(self, level: int) -> None:
        """Has the level's curves drawn against iterations."""
        self._run.define_metric(f"level_{level}/*", step_metric="iteration")

    def evaluation(self, level: int, step: int, values: Mapping[str, float]) -> None:
        """Logs the values as `level_N/…`."""
        named = {f"level_{level}/{name}": value for name, value in values.items()}
        self._run.log({"iteration": step, **named})

    def finish_level(self, level: int, values: Mapping[str, float]) -> None:
        """Logs the values as `levels/…`."""
        named = {f"levels/{name}": value for name, value in values.items()}
        self._run.log({"level": level, **named})

    def end(self, finished: bool) -> None:
        """Waits until everything is written or sent."""
        self._run.finish(exit_code=int(not finished))
