"""Some examples of a data set as arrays, whether it is in memory or on the disk."""

import numpy as np

from tf_lottery.data import Dataset, Split, StreamedDataset
from tf_lottery.data.tfds_set import reading_errors
from tf_lottery.data.tfds_streams import TfdsEvaluationStream

_MOST_EXAMPLES = 10_000
# As the floats that networks take: about 1,000 images of 224x224.
_MOST_BYTES = 640_000_000
_REPRESENTATIVE = 300
_BATCH = 50


def verification_examples(dataset: Dataset | StreamedDataset) -> tuple[np.ndarray, np.ndarray]:
    """Test images `[examples, ...]` and labels `[examples]`.

    At most 10,000 of them, and of large images as many as take 640 MB. Those in memory are spread
    over the whole set, those on the disk are its first, which are stored in a random order.

    Raises:
      ValueError: if the prepared copy is damaged.
    """
    bytes_of_one = 4 * int(np.prod(dataset.input_shape))
    examples = max(1, min(_MOST_EXAMPLES, _MOST_BYTES // bytes_of_one, len(dataset.test)))
    return _first(dataset.test, examples)


def representative_images(dataset: Dataset | StreamedDataset) -> np.ndarray:
    """Some 300 training images `[examples, ...]`, as they are cropped for evaluation.

    Raises:
      ValueError: if the prepared copy is damaged.
    """
    examples = min(_REPRESENTATIVE, len(dataset.train))
    train = dataset.train
    return _first(train if isinstance(train, Split) else train.evaluation(examples), examples)[0]


def _first(data: Split | TfdsEvaluationStream, examples: int) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(data, Split):
        # Spread over all of them, which may be sorted by class.
        chosen = np.linspace(0, len(data) - 1, examples).round().astype(int)
        return data.images[chosen], data.labels[chosen]
    parts, missing = [], examples
    try:
        for images, labels in data.batches(_BATCH).as_numpy_iterator():
            known = labels >= 0
            parts.append((images[known][:missing], labels[known][:missing]))
            missing -= len(parts[-1][1])
            if not missing:
                break
    except reading_errors() as error:
        raise data.stored.image_set.damage(error) from error
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)
