"""Evaluates a network at any weights, compiled once for all of them."""

from collections.abc import Callable, Mapping

import numpy as np
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Weights
from tf_lottery.training.evaluation import Evaluation


class SolutionEvaluator:
    """Loss and accuracy of one network at any weights, on splits of the data.

    The weights are set in the model, which keeps those it was given last; masks do not matter, as
    pruned weights are 0.
    """

    def __init__(
        self,
        model: keras.Model,
        evaluators: Mapping[str, Callable[[], Evaluation]],
        estimate_statistics: Callable[[], None] | None = None,
    ):
        """Compiles nothing yet.

        Args:
          model: a prunable model.
          evaluators: evaluate it as it is, by split.
          estimate_statistics: sets the statistics of its normalization layers to those of its
            weights; None leaves them as given.
        """
        self._model, self._evaluators = model, dict(evaluators)
        self._estimate_statistics = estimate_statistics
        self._variables = model_variables(model)

    def __call__(self, weights: Weights) -> dict[str, Evaluation]:
        """Evaluates the network.

        Args:
          weights: all weights by name.

        Returns:
          Loss and accuracy by split.

        Raises:
          ValueError: if the weights are not those of the network.
        """
        if set(weights) != set(self._variables):
            difference = sorted(set(weights) ^ set(self._variables))
            raise ValueError(f"the weights are not those of the network: {difference} differ.")
        for name, variable in self._variables.items():
            variable.assign(np.asarray(weights[name]))
        if self._estimate_statistics is not None:
            self._estimate_statistics()
        return {split: evaluate() for split, evaluate in self._evaluators.items()}
