"""MLflow."""

import os
import re
import time
from collections.abc import Mapping

from tf_lottery.config.loggers import LoggedRun, RunLogger, register_logger

_WHERE = "MLFLOW_TRACKING_URI"
# What MLflow takes: so many parameters at once, values of that length, and names of these letters.
_MOST_PARAMETERS, _LONGEST_VALUE = 100, 500
_NOT_IN_NAMES = re.compile(r"[^\w\-. /]")


@register_logger("mlflow")
class MLflow(RunLogger):
    """A run of MLflow for each run; those of one name are an experiment.

    They go where MLFLOW_TRACKING_URI says.
    """

    package = "mlflow"
    install = '"tf_lottery[mlflow]"'

    @classmethod
    def check(cls) -> None:
        """Looks whether MLflow takes what MLFLOW_TRACKING_URI says."""
        import mlflow

        if not os.environ.get(_WHERE):
            raise ValueError(
                f"--log_to=mlflow: the variable {_WHERE} is not set; use the address of a server, "
                "or file:/FOLDER, for which MLflow wants MLFLOW_ALLOW_FILE_STORE=true too, or, "
                "with all of MLflow (pip install mlflow), sqlite:////FOLDER/mlflow.db."
            )
        try:
            mlflow.MlflowClient(os.environ[_WHERE])
        except Exception as error:
            raise ValueError(f"--log_to=mlflow: what {_WHERE} says is refused: {error}") from error

    def begin(self, run: LoggedRun, known: str | None) -> str:
        """Starts a run there, or goes on with it."""
        import mlflow

        self._client = mlflow.MlflowClient(os.environ[_WHERE])
        if known is not None:
            self._id = known
            self._client.update_run(known, status="RUNNING")
            return known
        experiment = self._experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", run.group))
        self._id = self._client.create_run(experiment, run_name=run.name).info.run_id
        parameters = [
            mlflow.entities.Param(name, str(value)[:_LONGEST_VALUE])
            for name, value in run.flags.items()
        ]
        for first in range(0, len(parameters), _MOST_PARAMETERS):
            chosen = parameters[first : first + _MOST_PARAMETERS]
            self._client.log_batch(self._id, params=chosen)
        return self._id

    def evaluation(self, level: int, step: int, values: Mapping[str, float]) -> None:
        """Logs the values as `level_N/…`, with the iteration as the step."""
        self._log({f"level_{level}/{name}": value for name, value in values.items()}, step)

    def finish_level(self, level: int, values: Mapping[str, float]) -> None:
        """Logs the values as `levels/…`, with the level as the step."""
        self._log({f"levels/{name}": value for name, value in values.items()}, level)

    def end(self, finished: bool) -> None:
        """Says whether training has come to its end."""
        self._client.set_terminated(self._id, status="FINISHED" if finished else "FAILED")

    def _log(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [
            Metric(_NOT_IN_NAMES.sub("_", name), float(value), now, step)
            for name, value in values.items()
        ]
        self._client.log_batch(self._id, metrics=metrics)

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.create_experiment(name)
        except MlflowException:
            # It is there, or a run beside this one has just made it.
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return found.experiment_id
