"""Gives back the tickets of a run folder as models."""

from pathlib import Path

import tf_keras as keras

from tf_lottery.config.arguments import check_choice, check_path, check_whole, expanded
from tf_lottery.masking.prunable import prunable
from tf_lottery.models.build import build_model, is_network, network_sha256
from tf_lottery.models.own_networks import look_where_it_was
from tf_lottery.store.errors import RunFolderError, RunFolderMismatchError
from tf_lottery.store.identity import Identity
from tf_lottery.store.needed_plugins import plugins_named
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.chosen_layers import choose_layers, layers_with_kernels
from tf_lottery.tickets.journal import TICKET_WEIGHTS, TicketWeights
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.network import set_weights


def build_prunable_model(
    identity: Identity,
    details: RunDetails,
    init_seed: int,
    dtype_policy: str = "float32",
) -> keras.Model:
    """The network of an experiment, with its initial weights.

    Args:
      identity: flag values: the network and its pruning rates by kind of layer.
      details: what is known of its data.
      init_seed: draws the weights.
      dtype_policy: Keras policy of the layers; tickets are loaded in float32.
    """
    model = build_model(
        identity.model,
        details.input_shape,
        details.classes,
        init_seed,
        (details.pixel_mean, details.pixel_variance),
        initializer=identity.initializer,
        init_stddev=identity.init_stddev,
        batch_norm=identity.batch_norm,
        batch_norm_init=identity.batch_norm_init,
        dropout=identity.dropout,
        dtype_policy=dtype_policy,
    )
    chosen = choose_layers(identity, layers_with_kernels(model))
    return prunable(model, exclude=chosen.excluded, pruning_rates=chosen.rates)


def check_network(run: RunFolder, sha256: str | None) -> None:
    """Checks that a function of the user's makes the network that a run was begun with.

    Args:
      run: the run folder.
      sha256: of the network that it makes now, from `models.build.network_sha256`.

    Raises:
      RunFolderMismatchError: if it makes another.
    """
    identity, details = run.identity, run.details
    begun = details.network_sha256
    if begun != sha256 and not is_network(
        identity.model, tuple(details.input_shape), details.classes, begun
    ):
        by = f", by {details.network_file}" if details.network_file else ""
        raise RunFolderMismatchError(
            f"--model={run.identity.model} does not make the network that {run.path} was begun "
            f"with{by}; restore that, or give the changed function "
            "another name and its runs another --name."
        )


def load_ticket(run: str | Path, level: int, weights: TicketWeights = "trained") -> keras.Model:
    """Loads the ticket of a level.

    Args:
      run: a run folder, WORKDIR/NAME/replicate_R.
      level: a finished level; 0 is the dense network.
      weights: "trained", or "rewind" for those of the rewind step, from which levels after the
        first are trained (with `--retraining=rewind_weights`).

    Returns:
      A prunable model that holds the level's mask; maps raw pixels
      `[batch, height, width, channels]` to logits `[batch, classes]`. It is not compiled.

    Raises:
      ValueError: if there is no such run, level or kind of weights, or a file of it is damaged.
    """
    check_path("run", run)
    check_whole("level", level)
    check_choice("weights", weights, TICKET_WEIGHTS)
    folder = RunFolder.read(expanded("run", run))
    journal = RunJournal(folder)
    if not journal.is_complete(level):
        finished = folder.finished_levels()
        have = f"it has levels 0 to {finished[-1]}" if finished else "it has none"
        raise RunFolderError(f"level={level} is not finished in {folder.path}; {have}.")
    values, mask = journal.load(level)
    if weights == "rewind":
        values = journal.rewind_state().weights
    identity, details = folder.identity, folder.details
    with plugins_named(folder.path):
        look_where_it_was(identity.model, details.network_file)
        sha256 = network_sha256(identity.model, details.input_shape, details.classes)
        check_network(folder, sha256)
        model = build_prunable_model(identity, details, init_seed=0)
    set_weights(model, values, mask)
    return model
