"""Tickets of a search, each as a model of its own."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tf_keras

from tf_lottery.config.arguments import check_choice, check_whole
from tf_lottery.masking.keras_versions import is_model
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import prunable_copy
from tf_lottery.tickets.fit.described_network import described_network, network_difference
from tf_lottery.tickets.fit.folder_journal import FolderJournal
from tf_lottery.tickets.fit.memory_journal import MemoryJournal
from tf_lottery.tickets.journal import TICKET_WEIGHTS, TicketWeights
from tf_lottery.training.compiled_copy import compile_alike
from tf_lottery.training.network import Network, check_weights_fit, set_weights
from tf_lottery.training.schedule_lead import config_without_lead


def restored(
    searched: Network,
    journal: MemoryJournal | FolderJournal,
    level: int,
    weights: TicketWeights,
    into: Any,
) -> Any:
    """Gives a ticket as a model; see `IterativeMagnitudePruning.restore`.

    Args:
      searched: the network of the search.
      journal: holds its levels.
      level: one that is finished.
      weights: "trained" or "rewind".
      into: the model that takes the ticket; None: a copy.

    Raises:
      ValueError: as in `IterativeMagnitudePruning.restore`.
    """
    check_choice("weights", weights, TICKET_WEIGHTS)
    if into is not None and not is_model(into):
        raise ValueError(f"into={into!r} is no Keras model; give one that `prunable` made.")
    trained, mask = journal.load(level)
    state = journal.rewind_state() if weights == "rewind" else None
    network = searched if into is searched.model else None
    model = into
    if into is None:
        model = _copied(searched.model, level)
        with model.distribute_strategy.scope():
            if compile_alike(model, searched.model, _optimizer_config(searched)):
                network = Network(model, model.optimizer)
    if network is not None and state is not None:
        network.rewind(state, mask)
        return model
    values = trained if state is None else state.weights
    if into is not None:
        _check_takes(into, searched.model, values, mask)
    set_weights(model, values, mask)
    return model


def mask_of(journal: MemoryJournal | FolderJournal, level: int) -> Mask:
    """The mask of a finished level.

    Args:
      journal: holds the levels.
      level: one of them.

    Raises:
      ValueError: if it is not finished.
    """
    check_finished(journal, level)
    return journal.load(level)[1]


def check_finished(journal: MemoryJournal | FolderJournal, level: int) -> None:
    """Checks that a level can be restored.

    Args:
      journal: holds the levels.
      level: perhaps one of them.

    Raises:
      ValueError: if it is not finished.
    """
    check_whole("level", level)
    if not journal.is_complete(level):
        raise ValueError(f"level={level} is not finished.")


def _check_takes(into: Any, searched: Any, weights: Mapping[str, np.ndarray], mask: Mask) -> None:
    """Checks that a model computes with weights of the search what the searched one does."""
    refused = f"into={into.name} is no model of this search"
    try:
        check_weights_fit(into, weights, mask)
    except ValueError as error:
        raise ValueError(f"{refused}: {error}") from error
    if other := network_difference(described_network(searched), described_network(into)):
        raise ValueError(f"{refused}: {other}; give one that the same code made.")


def _optimizer_config(searched: Network) -> dict[str, Any]:
    """Configuration of the compiled optimizer; a loop of the user's may train with another one."""
    optimizer = getattr(searched.model, "optimizer", None)
    if optimizer is None or optimizer is searched.optimizer:
        return searched.optimizer_config
    return config_without_lead(optimizer)


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Undoes the draws of a copy's initializers: the weights of a copy are set anyway."""
    seeds = getattr(tf_keras.src.backend._SEED_GENERATOR, "generator", None)
    known = [generator for generator in (seeds, random) if generator is not None]
    states = [generator.getstate() for generator in known]
    try:
        yield
    finally:
        for generator, state in zip(known, states, strict=True):
            generator.setstate(state)


def _copied(model: Any, level: int) -> Any:
    try:
        with _random_numbers_kept():
            return prunable_copy(model)
    except ValueError as error:
        raise ValueError(
            f"level={level} cannot be given as a model of its own. {error} Say with into= which "
            "model takes it: the searched one, which then is that level until it is given another, "
            "or one that the same code and tf_lottery.prunable made."
        ) from error
