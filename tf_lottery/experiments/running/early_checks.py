"""What is refused of an experiment before TensorFlow is imported and the data are read."""

from tf_lottery.config.data import DataConfig
from tf_lottery.config.dataset_names import check_dataset
from tf_lottery.config.datasets import DataSize, check_streaming, find_source
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.initial_weights import weight_files
from tf_lottery.config.loggers import check_loggers
from tf_lottery.data import Augmentation, steps_per_epoch
from tf_lottery.data.image_size import check_padded
from tf_lottery.data.splits import check_held_out
from tf_lottery.experiments.finished.runs import of_several_workers
from tf_lottery.experiments.refusals.begun_without import as_begun
from tf_lottery.experiments.refusals.dense_identity import check_dense_source
from tf_lottery.experiments.refusals.own_data import refuse_without_arrays
from tf_lottery.experiments.refusals.ticket_source import check_ticket_source
from tf_lottery.experiments.running.lengths import (
    check_lengths,
    check_steps_per_execution,
    check_validation,
)
from tf_lottery.experiments.running.own_export import OwnExport
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.tf_config import check_workers, is_chief


def check_early(config: ExperimentConfig, overwrite: bool = False) -> None:
    """Refuses what needs neither data nor network nor devices to be seen, of what is not finished.

    Args:
      config: the experiment.
      overwrite: whether another export gives way, as of `run_experiment`.

    Raises:
      ValueError: names the flag, its value, and what would be right.
    """
    check_dataset(config.data.dataset, config.run.data_dir)
    if config.model.initial_weights is not None:
        weight_files(config.model.initial_weights)
    check_workers(config.run)
    if is_chief(config.run):
        refuse_without_arrays(config.run_path, "tf_lottery.run_experiment(config, data)")
        check_loggers(config.run.log_to)
    if of_several_workers(config):
        return  # All of them have to be told.
    check_streaming(config.data.dataset, config.data.streaming)
    source = find_source(config.data.dataset)
    if source is None or source.size is None:
        check_lengths(config, None)
    else:
        _check_size(config, source.size)
    check_folders(as_begun(config), OwnExport(config, overwrite))


def check_folders(config: ExperimentConfig, export: OwnExport) -> None:
    """Checks the folders that an experiment reads and writes, as far as they are known now.

    Args:
      config: the experiment, as it was begun.
      export: what it exports.

    Raises:
      ValueError: if one cannot be used; names the flag.
    """
    export.check_explicit()
    check_dense_source(config)
    check_ticket_source(config)
    RunFolder.check_place(config.run_path)


def _check_size(config: ExperimentConfig, size: DataSize) -> None:
    """Checks what depends on the number of examples and the shape of images."""
    data = config.data
    if data.image_size is not None:
        examples = size.train + size.test
        check_padded(data.dataset, size.image_shape, data.image_size, examples, pixel_bytes=1)
    check_held_out(size.train, data.validation_examples, data.split_seed)
    check_validation(config, is_there=data.validation_examples > 0)
    epoch = steps_per_epoch(size.train - data.validation_examples, config.training.batch_size)
    check_lengths(config, epoch)
    check_steps_per_execution(config, epoch)
    _check_augmentation(data, size)


def _check_augmentation(data: DataConfig, size: DataSize) -> None:
    height, width, channels = size.image_shape
    if data.image_size is not None:
        height = width = data.image_size
    augmentation = Augmentation(shift=data.shift_crop, flip=data.random_flip, cutout=data.cutout)
    augmentation.check((height, width, channels))
