"""Options of the data."""

from dataclasses import dataclass

from tf_lottery.config.data_files import absolute_dataset
from tf_lottery.config.options import AutoOnOff, Range, at_least, check_options, option


@dataclass(frozen=True)
class DataConfig:
    """Which examples are trained on."""

    dataset: str = option(
        "digits",
        "'digits' (embedded); an image-classification set of tensorflow-datasets; one that a "
        "--plugin registers; or files of your own: folder:PATH (class folders of images, below "
        "train/ and test/, or a fifth of each class is tested on), npz:PATH (x_train, y_train, "
        "x_test, y_test), 'csv:PATH?label=COLUMN' (a table, or a folder with train.csv and "
        "test.csv; &test=PATH names the table to test on, else a fifth of each class is; &drop=A,B "
        "leaves columns out).",
    )
    validation_examples: int = option(
        200,
        "Examples held out of the training split to find the step of lowest validation loss.",
        within=at_least(0),
    )
    split_seed: int = option(0, "Seed that chooses the held-out examples.", within=at_least(0))
    image_size: int | None = option(
        None,
        "Side of the images that the network sees; unset: as stored. Smaller images in memory are "
        "padded with black, those of folder:PATH are resized; streamed images are cropped and "
        "resized.",
        within=at_least(1),
    )
    shift_crop: int = option(
        0, "Augmentation: shift images by up to so many pixels each way.", within=at_least(0)
    )
    random_flip: bool = option(False, "Augmentation: mirror half of the images left to right.")
    cutout: int = option(
        0, "Augmentation: side of a square that is blanked out; 0: none.", within=at_least(0)
    )
    streaming: AutoOnOff = option(
        "auto", "Read examples from the disk while training; auto: where images differ in size."
    )
    shuffle_buffer: int = option(
        10_000, "Streamed examples among which the next is drawn.", within=at_least(1)
    )
    smallest_crop: float = option(
        0.08,
        "Smallest area of a random training crop of streamed images; 1: the central crop.",
        within=Range("use 0 < share <= 1", lambda share: 0 < share <= 1),
    )

    skip_unreadable: bool = option(
        False,
        "Leave images of folder:PATH out that cannot be read; they are named. Of streamed ones, "
        "all of which are decoded for that before training, another of the class takes the place.",
    )

    def __post_init__(self):
        check_options(self)
        # The class is frozen. Wherever it is used, it means the files that it means here.
        object.__setattr__(self, "dataset", absolute_dataset(self.dataset))
