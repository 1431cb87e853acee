"""Brings an experiment's data to its network: from the devices' memory, or in streams."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_lottery.data import ArrayEvaluationStream, ArrayStream, Augmentation, Split
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.training.evaluation import Evaluation, Evaluator, StreamedEvaluator
from tf_lottery.training.hardest_examples import HardestExamples
from tf_lottery.training.network import Network
from tf_lottery.training.resident import ResidentProgram
from tf_lottery.training.step import StepOptions, TrainingStep
from tf_lottery.training.streamed_batches import StreamedProgram
from tf_lottery.training.training_program import TrainingProgram


def build_program(experiment: Experiment, network: Network | None = None) -> TrainingProgram:
    """The training loop of an experiment, compiled when it first runs.

    Args:
      experiment: the experiment.
      network: what is trained, if not the experiment's own.
    """
    config, data, plan = experiment.config, experiment.dataset.train, experiment.execution
    training = config.training
    options = StepOptions(
        batch_size=training.batch_size,
        l2=0.0 if training.decouples_weight_decay else training.weight_decay,
        label_smoothing=training.label_smoothing,
        mask_gradients=training.clip_norm is not None,
    )
    in_memory = isinstance(data, Split)
    augmentation = experiment.augmentation if in_memory else Augmentation()
    # What is shifted in or cut out has the mean colour: zero after standardization.
    fill = experiment.details.pixel_mean
    step = TrainingStep(
        network or experiment.network,
        options,
        lambda images, draws: augmentation.apply(images, draws, fill),
        compile_gradients=plan.compile_gradients,
        compile_update=plan.compile_update,
    )
    if in_memory and plan.data_on_device:
        return ResidentProgram(step, data, augmentation, training.batch_size, plan)
    stream = ArrayStream(data, augmentation) if in_memory else data
    return StreamedProgram(step, stream, training.batch_size, plan)


def find_hardest_examples(
    experiment: Experiment, network: Network | None = None
) -> HardestExamples | None:
    """What saves looking at all validation examples; None where it cannot, or none looks."""
    data, plan = experiment.dataset.validation, experiment.execution
    single = tf.distribute.get_strategy().num_replicas_in_sync == 1
    if not (
        experiment.lengths.validate_every
        and single
        and plan.data_on_device
        and isinstance(data, Split)
    ):
        return None
    return HardestExamples((network or experiment.network).model, data, plan)


def build_evaluators(
    experiment: Experiment,
    splits: Sequence[str] = ("validation", "test"),
    network: Network | None = None,
) -> dict[str, Callable[[], Evaluation]]:
    """The evaluations of an experiment.

    Args:
      experiment: the experiment.
      splits: "validation", "test", and "train" of data that are held in memory; those that there
        are not are left out.
      network: what is evaluated, if not the experiment's own.
    """
    model, plan = (network or experiment.network).model, experiment.execution
    evaluators = {}
    for name in splits:
        data = getattr(experiment.dataset, name)
        if data is None or (name == "train" and not isinstance(data, Split)):
            continue
        if isinstance(data, Split) and plan.data_on_device:
            evaluators[name] = Evaluator(model, data, plan)
        else:
            stream = ArrayEvaluationStream(data) if isinstance(data, Split) else data
            evaluators[name] = StreamedEvaluator(model, stream, plan)
    return evaluators
