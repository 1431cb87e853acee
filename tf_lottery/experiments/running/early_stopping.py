"""The iteration of the lowest validation loss, looked for between evaluations too."""

from collections.abc import Callable, Mapping

import numpy as np

from tf_lottery.store.schema import measured
from tf_lottery.training.divergence import TrainingDivergedError
from tf_lottery.training.evaluation import Evaluation
from tf_lottery.training.hardest_examples import HardestExamples
from tf_lottery.training.network import Network


class ValidationWatch:
    """Finds every new lowest validation loss of a level (arXiv 1803.03635, section 2).

    Each becomes a row of metrics. The test data are evaluated for the last one before an
    evaluation, as only that one can be the lowest of the level.
    """

    def __init__(
        self,
        network: Network,
        evaluators: Mapping[str, Callable[[], Evaluation]],
        hardest: HardestExamples | None,
    ):
        """Evaluates nothing yet.

        Args:
          network: what is trained.
          evaluators: of the "validation" and the "test" split.
          hardest: saves looking at all validation examples where it can.
        """
        self._network, self._evaluators, self._hardest = network, evaluators, hardest
        self.begin(np.inf)

    def begin(self, lowest: float) -> None:
        """Begins a level, or continues it: no validation loss was below `lowest` so far."""
        self._lowest = lowest
        self._rows: list[tuple[int, dict[str, float]]] = []
        self._weights: Mapping[str, np.ndarray] | None = None

    def look(self, step: int, training: Callable[[], dict[str, float]]) -> None:
        """Looks at the validation data between evaluations.

        Args:
          step: iterations done.
          training: reads what a row tells of the training since the row before.

        Raises:
          TrainingDivergedError: if the loss is not finite.
        """
        if self._hardest is not None and self._hardest.show_loss_above(self._lowest):
            return
        self._network.unite_statistics()
        loss, accuracy = self._evaluators["validation"]()
        if not np.isfinite(loss):
            raise TrainingDivergedError(f"the validation loss is {loss} after step {step}")
        if loss < self._lowest:
            self._lowest, self._weights = loss, self._network.weights()
            self._rows.append((step, training() | measured("validation", loss, accuracy)))

    def settle(self, validation_loss: float) -> list[tuple[int, dict[str, float]]]:
        """Closes the time between two evaluations.

        Args:
          validation_loss: that of the evaluation that ends it.

        Returns:
          Steps and values of the lowest losses in between, in order.
        """
        rows, weights = self._rows, self._weights
        if weights is not None and self._lowest <= validation_loss:
            rows[-1][1].update(self._test(weights))
        if self._hardest is not None and (rows or validation_loss < self._lowest):
            self._hardest.choose()
        self.begin(min(self._lowest, validation_loss))
        return rows

    def _test(self, weights: Mapping[str, np.ndarray]) -> dict[str, float]:
        now, mask = self._network.weights(), self._network.mask
        self._network.set_weights(weights, mask)
        loss, accuracy = self._evaluators["test"]()
        self._network.set_weights(now, mask)
        return measured("test", loss, accuracy)
