"""What is said of an experiment before it trains: its data, its layers, flags without effect."""

from tf_lottery.config.data_files import data_files
from tf_lottery.config.datasets import find_source
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.options import options_of
from tf_lottery.data import Dataset, StreamedDataset
from tf_lottery.data.labels import note_of_empty_classes
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.masking.layers import model_variables
from tf_lottery.messages import tell
from tf_lottery.store.identity import Identity
from tf_lottery.tickets.chosen_layers import chosen_by_name, layers_with_kernels


def data_text(experiment: Experiment) -> str:
    """The flag, or the argument, that names the data."""
    if name := experiment.details.data_name:
        return f"dataset={name}"
    return f"--dataset={experiment.config.data.dataset}"


def tell_of_scope(experiment: Experiment) -> None:
    """Says so if a run prunes layer by layer what a method's authors rank together."""
    pruning = experiment.config.pruning
    layerwise = pruning.pruning_scope == "layerwise" and pruning.prune_from == "rewind_step"
    if layerwise and experiment.method.ranks_all_together:
        tell(
            f"--score={pruning.score} ranks the weights of each layer apart here "
            "(--pruning_scope=layerwise); its authors rank those of all layers together, as "
            "--pruning_scope=global does."
        )


def tell_of_layers(experiment: Experiment) -> None:
    """Says which layers the patterns of --exclude and --pruning_rates_by_layer match."""
    layers = layers_with_kernels(experiment.network.model)
    for flag, matches in chosen_by_name(Identity(experiment.config.identity()), layers).items():
        tell(f"{flag}: {matches}.")


def tell_of_initial_weights(experiment: Experiment) -> None:
    """Says from which weights the dense network starts, if they are not drawn."""
    model = experiment.config.model
    if model.initial_weights is not None:
        drawn = model.initial_weights_except
        tell(
            f"The dense network starts from {model.initial_weights}"
            f"{f', but for {drawn}' if drawn else ''}; its pixels are standardised by the "
            "statistics of the training data."
        )


def tell_of_ticket(experiment: Experiment) -> None:
    """Says what level 0 is trained from, if that is a ticket of another run."""
    ticket, model = experiment.ticket_in_network, experiment.config.model
    if ticket is None:
        return
    weights = {
        "none": "weights drawn here",
        "rewind": "its run's weights at the rewind step",
        "trained": "the weights that it was trained to",
    }[model.ticket_weights]
    drawn = ", ".join(ticket.drawn)
    tell(
        f"Level 0 is trained under the mask of level {model.ticket_level} of {model.ticket}, from "
        f"{weights}: {ticket.mask.remaining:,} of {ticket.mask.total:,} weights remain."
        + (f" Dense and drawn here, as the shapes differ: {drawn}." if drawn else "")
    )


def tell_of_data(experiment: Experiment) -> None:
    """Says what is worth knowing of the data before they are trained on."""
    dataset = experiment.dataset
    notes = list(dataset.notes)
    if isinstance(dataset, Dataset):
        labels, names = dataset.train.labels, dataset.class_names
        notes += filter(None, [note_of_empty_classes(labels, dataset.classes, names)])
    for note in notes:
        tell(f"{data_text(experiment)}: {note}")


def tell_of_useless_flags(experiment: Experiment) -> None:
    """Says which flags change nothing of this data and this network.

    They are not refused, as the same flags may be given to a sweep over networks or data.
    """
    config = experiment.config
    streamed = isinstance(experiment.dataset, StreamedDataset)
    useless = {}
    if not experiment.is_convolutional:
        useless["conv_pruning_rate"] = f"--model={config.model.model} has no convolutions"
    files = data_files(config.data.dataset)
    if files is None or files.kind != "folder":
        useless["skip_unreadable"] = "it is for --dataset=folder:PATH"
    elif streamed:
        useless["shuffle_buffer"] = "the order of a folder's images is drawn among all of them"
    if files is not None or find_source(config.data.dataset) is not None:
        not_of_tfds = f"--dataset={config.data.dataset} is not of tensorflow-datasets"
        useless |= dict.fromkeys(("data_dir", "manual_dir"), not_of_tfds)
    if streamed:
        useless["in_memory"] = "the data are streamed"
    else:
        in_memory = f"--dataset={config.data.dataset} is held in memory"
        useless |= dict.fromkeys(("shuffle_buffer", "smallest_crop"), in_memory)
    held_out = experiment.dataset.validation
    if held_out is not None and len(held_out) != config.data.validation_examples:
        useless["validation_examples"] = f"the data have {len(held_out)} of their own"
    if not any(name.endswith("/gamma") for name in model_variables(experiment.network.model)):
        plain = f"--model={config.model.model} has no batch normalization"
        useless["batch_norm_init"] = plain
    if config.training.lr_schedule != "step":
        useless["lr_decay"] = "it is for --lr_schedule=step"
    if not config.training.weight_decay:
        useless["weight_decay_mode"] = "--weight_decay is 0"
    if config.pruning.structure != "units":
        useless["compact_training"] = "--structure is not units"
    _tell_of_useless_rates(config)
    method = experiment.method
    if not (method.needs_data or config.pruning.adaptive):
        useless["score_examples"] = (
            "it is for --score=taylor, snip and grasp, and for rates of auto"
        )
    for section in (config.data, config.model, config.training, config.pruning, config.run):
        for option in options_of(section):
            value = getattr(section, option.name)
            if option.name in useless and value != option.default:
                flag = f"{option.name}={value}"
                if isinstance(value, bool):
                    flag = option.name if value else f"no{option.name}"
                tell(f"Note: --{flag} has no effect: {useless[option.name]}.")


def _tell_of_useless_rates(config: ExperimentConfig) -> None:
    pruning = config.pruning
    levels = 0 if config.run.experiment == "train" else pruning.levels
    count = len(pruning.rates) if isinstance(pruning.rates, tuple) else 0
    if count > levels:
        tell(
            f"Note: --pruning_rates={pruning.pruning_rates}: there are {count} rates for "
            f"--levels={levels}; those of later levels have no effect."
        )
