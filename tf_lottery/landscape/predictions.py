"""What networks answer, and in which answers two of them differ (arXiv 2106.06955)."""

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.landscape.solutions import Solution
from tf_lottery.training.network import set_weights


class Predictor:
    """Class probabilities of one network at any weights, compiled once for all of them.

    The weights are set in the model, which keeps those it was given last. Batches are normalized by
    the statistics that are among the weights.
    """

    def __init__(self, model: keras.Model, images: np.ndarray, batch_size: int):
        """Compiles nothing yet.

        Args:
          model: a prunable model that maps raw images to logits.
          images: `[examples, ...]`, as the model takes them; at least one.
          batch_size: examples at a time; bounds the memory.
        """
        self._model, self._images = model, images
        self._batch = min(batch_size, len(images))
        shape = [self._batch, *images.shape[1:]]
        self._run = tf.function(
            self._predict_batch,
            input_signature=[tf.TensorSpec(shape, tf.as_dtype(images.dtype))],
            autograph=False,
        )

    def __call__(self, solution: Solution) -> np.ndarray:
        """Predicts all examples.

        Args:
          solution: of the model's network.

        Returns:
          Softmax outputs in float64, `[examples, classes]`; NaN where the network overflows.

        Raises:
          ValueError: if it is a solution of another network.
        """
        set_weights(self._model, solution.weights, solution.mask)
        examples, batches = len(self._images), []
        for start in range(0, examples, self._batch):
            # The last batch is filled up with examples that were predicted already: static shapes.
            first = min(start, examples - self._batch)
            outputs = self._run(tf.constant(self._images[first : first + self._batch])).numpy()
            batches.append(outputs[start - first :])
        return np.concatenate(batches)

    def _predict_batch(self, images: tf.Tensor) -> tf.Tensor:
        logits = self._model(tf.cast(images, tf.float32), training=False)
        # float64 keeps apart what rounding would make a tie.
        return tf.nn.softmax(tf.cast(logits, tf.float64))


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of right answers.

    Args:
      probabilities: of the classes, `[examples, classes]`.
      labels: numbers of the right classes, `[examples]`.
    """
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def ensemble_accuracy(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of right answers of the average of two networks' probabilities.

    Args:
      first: probabilities of one network, `[examples, classes]`.
      second: those of another.
      labels: numbers of the right classes, `[examples]`.
    """
    return accuracy((first + second) / 2, labels)


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Fraction of examples for which two networks give the same answer, be it right or wrong.

    Args:
      first: probabilities of one network, `[examples, classes]`.
      second: those of another.
    """
    return float(np.mean(first.argmax(axis=1) == second.argmax(axis=1)))


def agreement_on_errors(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> float:
    """Fraction of the examples that either network gets wrong to which both give the same answer.

    Args:
      first: probabilities of one network, `[examples, classes]`.
      second: those of another.
      labels: numbers of the right classes, `[examples]`.

    Returns:
      The fraction; NaN if neither errs.
    """
    answers = first.argmax(axis=1), second.argmax(axis=1)
    wrong = (answers[0] != labels) | (answers[1] != labels)
    return _share(answers[0] == answers[1], wrong)


def error_overlap(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> float:
    """Jaccard index of the sets of examples that two networks get wrong, in whichever way.

    Args:
      first: probabilities of one network, `[examples, classes]`.
      second: those of another.
      labels: numbers of the right classes, `[examples]`.

    Returns:
      The number of examples that both get wrong over that which either does; NaN if neither errs.
    """
    wrong = first.argmax(axis=1) != labels, second.argmax(axis=1) != labels
    return _share(wrong[0] & wrong[1], wrong[0] | wrong[1])


def _share(chosen: np.ndarray, among: np.ndarray) -> float:
    return float(np.mean(chosen[among])) if among.any() else float("nan")
