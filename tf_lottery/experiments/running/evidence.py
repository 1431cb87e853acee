"""What the scores of an experiment's weights are made of: its network, examples and seeds."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from tf_lottery.data import Epoch, Split, epoch_order
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.training.saliency import NetworkEvidence, Saliency

_BATCH = 100
# An epoch that no training reaches.
_SCORING_EPOCH = 2**31 - 1


def build_evidence(
    experiment: Experiment, read_rewind_weights: Callable[[], Mapping[str, np.ndarray]]
) -> Callable[[int], NetworkEvidence]:
    """Prepares what a score may look at; reads and compiles nothing before a score does.

    The loss is the cross-entropy without label smoothing and weight decay, of the same
    `--score_examples` training examples at each level, in batches of up to 100.

    Args:
      experiment: the experiment.
      read_rewind_weights: returns the weights at the rewind step.

    Returns:
      A function that gives the evidence for the pruning that makes a level.
    """
    saliency = Saliency(
        experiment.network.model,
        lambda labels, logits: tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits),
        lambda: scoring_batches(experiment),
    )

    def evidence(level: int) -> NetworkEvidence:
        # The SGD noise of an epoch has two numbers in its place, or a third above 0.
        seed = np.random.SeedSequence(
            experiment.config.data_seed, spawn_key=(level, _SCORING_EPOCH, 0)
        )
        return NetworkEvidence(saliency, read_rewind_weights, seed)

    return evidence


def scoring_batches(experiment: Experiment) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Reads the training examples of which scores take gradients.

    They are the first of an epoch of their own: as they are stored, or, where they are streamed, as
    training crops them.

    Args:
      experiment: the experiment; all examples are read if it has fewer than `--score_examples`.

    Yields:
      Raw images, float32 `[batch, ...]`, and class numbers, `[batch]`.
    """
    config, data = experiment.config, experiment.dataset.train
    epoch = Epoch(config.data_seed, 0, _SCORING_EPOCH)
    examples = min(config.pruning.score_examples, len(data))
    batches = -(-examples // _BATCH)
    if isinstance(data, Split):
        order = epoch_order(epoch, len(data))[:examples]
        for rows in np.array_split(order, batches):
            yield data.images[rows].astype(np.float32), data.labels[rows]
        return
    stream = data.batches(epoch, 0, examples // batches).take(batches)
    for images, labels, _ in stream.as_numpy_iterator():
        yield images.astype(np.float32), labels
