"""Iterative magnitude pruning around `model.fit`, one call per level."""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tf_keras as keras

from tf_lottery.config.arguments import check_whole
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable_checks import check_is_model
from tf_lottery.messages import tell
from tf_lottery.pruning.adaptive import AdaptiveRate
from tf_lottery.pruning.score import Score
from tf_lottery.tickets.callbacks import LevelWatch
from tf_lottery.tickets.empty_layer_warning import warn_of_empty_layers
from tf_lottery.tickets.fit_evidence import (
    build_fit_evidence,
    no_batches,
    scoring_batches,
)
from tf_lottery.tickets.fit_length import (
    as_arrays,
    counted_steps,
    forget_resumed_epoch,
    infer_steps_per_epoch,
    needs_length,
    resolve_rewind_step,
    steps_per_execution,
)
from tf_lottery.tickets.folder_journal import FolderJournal
from tf_lottery.tickets.history import LevelResult, SearchHistory
from tf_lottery.tickets.imp import iterative_magnitude_pruning
from tf_lottery.tickets.labels import check_labels
from tf_lottery.tickets.level_checks import (
    check_initial_weights,
    check_level,
    check_not_pruned,
    checked,
    naming_bad_data,
)
from tf_lottery.tickets.level_end import check_resumed, check_rewind_step_reached, level_end
from tf_lottery.tickets.memory_journal import MemoryJournal
from tf_lottery.tickets.own_loop import TrainingSteps
from tf_lottery.tickets.pruned_weights import check_pruned_weights
from tf_lottery.tickets.restored import restored
from tf_lottery.tickets.search_arguments import (
    check_callbacks,
    check_epoch,
    check_fit,
    check_run,
    check_search,
    checked_metrics,
    chosen_optimizer,
    search_arguments,
)
from tf_lottery.tickets.search_pruner import search_pruner
from tf_lottery.tickets.texts import check_text
from tf_lottery.tickets.variants import PruneFrom, Variant
from tf_lottery.training.network import Network, NetworkState
from tf_lottery.training.saliency import NetworkEvidence
from tf_lottery.training.schedule_lead import ignores_lead
from tf_lottery.training.workers import Workers

Callbacks = Sequence[keras.callbacks.Callback]


class IterativeMagnitudePruning:
    """Searches a compiled, prunable model for a lottery ticket.

    ```python
    model = tf_lottery.prunable(build_model())
    model.compile(optimizer="adam", loss=..., metrics=["accuracy"])
    search = tf_lottery.IterativeMagnitudePruning(model, levels=10, rewind_step="500it")
    history = search.fit(train_ds, epochs=20, validation_data=val_ds)
    ```

    It warns of levels at which a layer has no weight left (`EmptyLayerWarning`).

    Attributes:
      history: results of the levels so far.
    """

    def __init__(
        self,
        model: Any,
        levels: int,
        pruning_rate: float | Sequence[float] | AdaptiveRate | Literal["auto"] = 0.2,
        rewind_step: str | int = "0it",
        scope: str = "global",
        score: str | Score = "magnitude",
        rewind_optimizer: bool = False,
        *,
        structure: str = "weights",
        prune_from: PruneFrom = "previous_level",
        optimizer: Any = None,
        folder: str | Path | None = None,
    ):
        """Plans the search.

        Args:
          model: a model made by `prunable`, of either Keras, with the initial weights; compiled, or
            with an optimizer.
          levels: number of prunings.
          pruning_rate: fraction of the remaining weights removed at each level, where a layer has
            no rate of its own; or those of level 1, 2, ..., of which the last holds for all that
            follow; or an `AdaptiveRate`, which prunes as much as the training loss allows and may
            end before the last level ("auto": one with its defaults).
          rewind_step: the survivors return to their values at this step: "500it", "2ep", "1%". A
            step within an epoch shifts the epochs of later levels by what is left of it.
          scope: "global": the weights of all layers compete; "layerwise": those of each layer.
          score: what the weights are judged by, the lowest being pruned: "magnitude", "random",
            "magnitude_at_rewind", "movement", "taylor", "snip", "grasp", "synflow", or a function
            (weights, mask, evidence) -> scores; see `tf_lottery.pruning.scores`. "random" is seeded
            by `keras.utils.set_random_seed`. "grasp" takes the model's outputs for logits.
          rewind_optimizer: rewind the optimizer too, its slots and its step count; by default it
            starts afresh. Its learning-rate schedule goes on from the rewind step either way; a
            rate that callbacks have set is again the one it was configured with. With averages of
            weights (`use_ema=True`), what Keras leaves at the end of `fit`, the averages, is
            pruned.
          structure: what is removed: single "weights"; "units": whole units and filters; "2:4": two
            of every four weights in a row, once, so with levels=1; "1x4": blocks of four
            consecutive inputs of a unit of Dense layers.
          prune_from: the network that is pruned: "previous_level" (iterative), "dense" (one-shot),
            or that of the "rewind_step" (before training).
          optimizer: that trains the model in a loop of yours, for `run`; by default the one that it
            is compiled with.
          folder: keeps the finished levels, in place of memory: the same search of the same model,
            made in another process, goes on after them, also to more levels. By default they last
            as long as this object.

        Raises:
          ValueError: if the model is not prunable or has no optimizer, if it is pruned already, if
            there is no such score, if no weight would remain, or if the folder holds anything but
            such a search.
          DamagedFileError: if a file in the folder is not as it was written.
        """
        check_is_model(model, "make it prunable with tf_lottery.prunable(model)")
        check_search(levels, pruning_rate, rewind_step, scope, rewind_optimizer, structure, folder)
        self._variant = Variant(prune_from)
        self._pruner = search_pruner(
            model, levels, pruning_rate, scope, score, structure, prune_from
        )
        optimizer = chosen_optimizer(model, optimizer)
        with model.distribute_strategy.scope():
            self._network = Network(model, optimizer)
        check_not_pruned(model)
        check_initial_weights(self._network)
        self._levels = levels
        self._seed, self._score = random.getrandbits(64), score
        self._rewind_step, self._rewind_optimizer = rewind_step, rewind_optimizer
        self._initial_state: NetworkState | None = None
        self._steps_per_epoch: int | None = None
        self._journal: MemoryJournal | FolderJournal = MemoryJournal()
        self.history = SearchHistory()
        if folder is not None:
            arguments = {
                "levels": levels,
                "pruning_rate": pruning_rate,
                "rewind_step": rewind_step,
                "scope": scope,
                "score": score,
                "rewind_optimizer": rewind_optimizer,
                "structure": structure,
                "prune_from": prune_from,
            }
            self._continue_in(folder, search_arguments(self._network, arguments))

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *,
        epochs: int = 1,
        callbacks: Callbacks | Callable[[int], Callbacks] = (),
        **fit_arguments: Any,
    ) -> SearchHistory:
        """Trains, prunes and rewinds, level after level.

        Level 0 trains for `epochs`; later levels start at the rewind step and end at the same
        iteration as level 0. A callback that stops training, such as EarlyStopping, ends the level
        earlier, and the history says so; data that run out are an error. If it is interrupted,
        calling it again goes on with the level that was not finished.

        Args:
          x: as in `model.fit`.
          y: as in `model.fit`.
          epochs: length of training, in epochs.
          callbacks: of yours, for every level; or a function from level to callbacks.
          **fit_arguments: further arguments of `model.fit`: validation_data, class_weight, ...

        Returns:
          The history; the model holds the last level's ticket, trained.

        Raises:
          ValueError: if the rewind step is not before the end of training, a label is not one of
            the model's outputs, the score cannot be taken of this model or data, or a level is
            shorter or longer than planned, though no callback stopped it.
          TrainingDivergedError: if a level's losses or weights are not finite; says since which
            iteration and, where it is so, which example is not. Earlier levels are kept.
        """
        callbacks = () if callbacks is None else callbacks
        model, journal = self._network.model, self._journal
        verbose = fit_arguments.get("verbose", "auto")
        x, y = as_arrays(x), as_arrays(y)
        check_fit(model, x, epochs, callbacks, fit_arguments)
        check_text(model, x)
        check_labels(model, y)
        steps_per_epoch = infer_steps_per_epoch(x, fit_arguments)
        check_epoch(steps_per_epoch)
        steps_per_epoch = steps_per_epoch or self._steps_per_epoch
        if steps_per_epoch is None and needs_length(self._rewind_step):
            steps_per_epoch = counted_steps(x, self._rewind_step, announce=bool(verbose))
        rewind_step = resolve_rewind_step(
            self._rewind_step,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            steps_per_execution=steps_per_execution(model),
        )
        evidence = build_fit_evidence(
            model,
            lambda: scoring_batches(x, y, fit_arguments),
            lambda: journal.rewind_state().weights,
            self._seed,
        )

        def train(level: int) -> dict[str, Any]:
            nonlocal steps_per_epoch
            if verbose:
                self._announce(level)
            first, save_at = (rewind_step, None) if level else (0, rewind_step)
            own = callbacks(level) if callable(callbacks) else callbacks
            check_callbacks("callbacks", own, model)
            watch = LevelWatch(
                first,
                epochs * steps_per_epoch if steps_per_epoch else None,
                steps_per_epoch,
                save_at,
                lambda step: journal.save_rewind_state(checked(self._network.state(), 0)),
                lambda step: check_resumed(step, save_at, kept=journal.has_rewind_state()),
            )
            forget_resumed_epoch(model)
            with naming_bad_data({"x": x, "y": y, **fit_arguments}, steps_per_epoch):
                result = model.fit(
                    x,
                    y,
                    epochs=epochs,
                    initial_epoch=first // steps_per_epoch if steps_per_epoch else 0,
                    callbacks=[watch, *own],
                    **fit_arguments,
                )
                steps_per_epoch = steps_per_epoch or watch.steps_in_first_epoch
                self._steps_per_epoch = steps_per_epoch
                end = level_end(
                    level, epochs * steps_per_epoch, watch, result.history, own, fit_arguments
                )
                if not level:
                    kept = journal.has_rewind_state()
                    check_rewind_step_reached(
                        end.iterations, rewind_step, kept=kept, stopped=end.stopped_early
                    )
                return self._record(level, end.metrics, watch.first_bad_step, **end.record())

        return self._search(train, evidence, {"epochs": epochs, "iterations": None})

    def run(
        self,
        train: Callable[[TrainingSteps], Mapping[str, float] | None],
        *,
        iterations: int,
        verbose: bool = True,
    ) -> SearchHistory:
        """Does the same as `fit` with a training loop of yours.

        ```python
        def train(steps):
            for step in steps:
                train_on(next(batches))
            return {"accuracy": evaluate(model)}


        history = search.run(train, iterations=10_000)
        ```

        Args:
          train: trains the model with the optimizer, one iteration for each of the steps, which
            are the iterations from the rewind step (at level 0 from 0) to the end; returns what is
            to be recorded.
          iterations: at which training ends.
          verbose: print a line per level.

        Returns:
          The history; the model holds the last level's ticket, trained.

        Raises:
          ValueError: if the rewind step is not before the end, the score needs data, or the loop
            did not do all steps, changed pruned weights, or was compiled before this search was
            made.
          TrainingDivergedError: if it returned a loss, or leaves a weight, that is not finite;
            earlier levels are kept.
        """
        check_run(train, iterations, verbose)
        rewind_step = resolve_rewind_step(
            self._rewind_step, epochs=1, steps_per_epoch=iterations, steps_per_execution=1
        )
        model, journal = self._network.model, self._journal
        evidence = build_fit_evidence(
            model,
            partial(no_batches, self._score, "a loop of yours does not show"),
            lambda: journal.rewind_state().weights,
            self._seed,
        )

        def train_level(level: int) -> dict[str, Any]:
            if verbose:
                self._announce(level)
            steps = TrainingSteps(
                rewind_step if level else 0,
                iterations,
                save_at=None if level else rewind_step,
                save=lambda step: journal.save_rewind_state(checked(self._network.state(), 0)),
            )
            metrics = checked_metrics(train(steps))
            steps.check_end()
            check_pruned_weights(model)
            if rewind_step and ignores_lead(self._network.optimizer):
                raise ValueError(
                    "the training loop does not follow the learning-rate schedule of the search's "
                    "optimizer: its step was compiled before the search was made, or it has "
                    "another optimizer. Make the search first; then the schedule can go on from "
                    "the rewind step."
                )
            return self._record(level, metrics, iterations=iterations, weights_at=iterations)

        return self._search(train_level, evidence, {"epochs": None, "iterations": iterations})

    def restore(
        self,
        level: int,
        weights: Literal["trained", "rewind"] = "trained",
        *,
        into: Any = None,
    ) -> Any:
        """Gives a level's ticket as a model of its own.

        ```python
        ticket, dense = search.restore(level=5), search.restore(level=0)
        tf_lottery.export(ticket, "shipped", dense=dense)
        ```

        Each call makes another copy of the searched model, prunable too. It is compiled as that
        is, with a fresh optimizer, unless the class of the model has a `compile` of its own, or a
        metric that Keras cannot copy. With `weights="rewind"` its learning-rate schedule goes on
        from the rewind step.

        Args:
          level: a finished level.
          weights: "trained", or "rewind" for those from which the level was trained.
          into: a model that takes the ticket, in place of a copy: the searched model itself, which
            then is that level until it is trained or given another; or one that the same code and
            `prunable` made. Models that Keras cannot copy need it: those that `prunable` made so
            in place, as their class is the user's.

        Returns:
          The copy; or the model that was given.

        Raises:
          ValueError: if the level is not finished, `weights` is unknown, the model cannot be copied
            and none is given, or the one given is another network.
        """
        self._check_finished(level)
        return restored(self._network, self._journal, level, weights, into)

    def mask(self, level: int) -> Mask:
        """The mask of a finished level."""
        self._check_finished(level)
        return self._journal.load(level)[1]

    def _check_finished(self, level: int) -> None:
        check_whole("level", level)
        if not self._journal.is_complete(level):
            raise ValueError(f"level={level} is not finished.")

    def _search(
        self,
        train: Callable[[int], dict[str, Any]],
        evidence: Callable[[int], NetworkEvidence],
        training: Mapping[str, Any],
    ) -> SearchHistory:
        with ExitStack() as resources:
            if isinstance(self._journal, FolderJournal):
                resources.enter_context(self._journal.opened(training, self._seed))
                self._take_up(self._journal)
            self._find_tickets(train, evidence)
        return self.history

    def _find_tickets(
        self,
        train: Callable[[int], dict[str, Any]],
        evidence: Callable[[int], NetworkEvidence],
    ) -> None:
        def warn_and_train(level: int) -> dict[str, Any]:
            warn_of_empty_layers(level, self._network.mask)
            return train(level)

        known = len(self.history.levels)
        if not self._journal.is_complete(0):
            self._begin()
            self._pruner.check(self._network.weights(), self._network.mask, evidence(0))
        iterative_magnitude_pruning(
            self._network,
            self._pruner,
            self._levels,
            warn_and_train,
            self._journal,
            evidence=evidence,
            variant=self._variant,
            rewind_optimizer=self._rewind_optimizer,
        )
        if known == len(self.history.levels):
            # Trained in another process, perhaps.
            self.restore(known - 1, into=self._network.model)

    def _continue_in(self, folder: str | Path, arguments: Mapping[str, Any]) -> None:
        """Keeps the search in a folder, of which another process may have begun to make use."""
        if Workers(self._network.model.distribute_strategy).count > 1:
            raise ValueError(
                f"folder={folder}: a search on several workers is kept in memory alone; leave the "
                "argument out."
            )
        self._journal = FolderJournal(folder, arguments)
        self._take_up(self._journal)

    def _take_up(self, journal: FolderJournal) -> None:
        """Goes on from what is in the folder now."""
        self._seed = journal.seed or self._seed
        self.history.levels[:] = journal.results()[: self._levels + 1]
        if self.history.levels:
            self._steps_per_epoch = journal.record(0)["steps_per_epoch"]

    def _announce(self, level: int) -> None:
        density = self._network.mask.density
        tell(f"Level {level} of {self._levels}, density {density:.1%}")

    def _begin(self) -> None:
        """Starts level 0 from the initial weights, also when it was interrupted before."""
        if self._initial_state is None:
            self._initial_state = replace(self._network.state(), step=0)
        self._network.rewind(self._initial_state, self._network.mask)

    def _record(
        self,
        level: int,
        values: Mapping[str, float],
        first_bad_step: Callable[[], int | None] = lambda: None,
        **ended: Any,
    ) -> dict[str, Any]:
        metrics = {name: float(value) for name, value in values.items()}
        check_level(level, metrics, self._network, first_bad_step)
        mask = self._network.mask
        result = LevelResult(level, mask.density, mask.remaining, metrics, **ended)
        self.history.levels.append(result)
        return {"metrics": metrics, "steps_per_epoch": self._steps_per_epoch, **ended}
