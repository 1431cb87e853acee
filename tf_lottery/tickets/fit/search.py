"""Iterative magnitude pruning around `model.fit`, one call per level."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tf_lottery.config.arguments import is_number
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable_checks import check_is_model
from tf_lottery.messages import tell
from tf_lottery.pruning.adaptive import AdaptiveRate
from tf_lottery.pruning.score import Score
from tf_lottery.tickets.fit.arguments import (
    check_epoch,
    check_fit,
    check_run,
    check_same_optimizer,
    checked_metrics,
    chosen_optimizer,
)
from tf_lottery.tickets.fit.callbacks import Callbacks
from tf_lottery.tickets.fit.carried_state import warn_of_files
from tf_lottery.tickets.fit.data import check_fit_data
from tf_lottery.tickets.fit.history import SearchHistory
from tf_lottery.tickets.fit.labels import check_fit_labels
from tf_lottery.tickets.fit.length import (
    as_arrays,
    counted_steps,
    infer_steps_per_epoch,
    resolve_rewind_step,
    steps_per_execution,
)
from tf_lottery.tickets.fit.own_loop import TrainingSteps
from tf_lottery.tickets.fit.pruned_weights import check_pruned_weights
from tf_lottery.tickets.fit.restored import check_finished, mask_of, restored
from tf_lottery.tickets.fit.search_arguments import SearchArguments, plain_rates
from tf_lottery.tickets.fit.stopping import StoppingRule
from tf_lottery.tickets.fit.texts import check_fit_texts
from tf_lottery.tickets.fit.ticket_search import TicketSearch
from tf_lottery.tickets.fit.training_by_fit import TrainingByFit
from tf_lottery.tickets.imp import LevelToTrain
from tf_lottery.tickets.journal import TicketWeights
from tf_lottery.tickets.variants import PruneFrom, Retraining, first_step, last_step
from tf_lottery.training.schedule_lead import ignores_lead


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
        levels: int | None = None,
        pruning_rate: float | Sequence[float] | AdaptiveRate | Literal["auto"] = 0.2,
        rewind_step: str | int = "0it",
        scope: str = "global",
        score: str | Score = "magnitude",
        rewind_optimizer: bool = False,
        *,
        structure: str = "weights",
        prune_from: PruneFrom = "previous_level",
        retraining: Retraining = "rewind_weights",
        fine_tune_learning_rate: float | None = None,
        target_density: float | None = None,
        stop_below: float | str | None = None,
        stop_metric: str | None = None,
        optimizer: Any = None,
        folder: str | Path | None = None,
    ):
        """Plans the search.

        Args:
          model: a model made by `prunable`, of either Keras, with the initial weights; compiled, or
            with an optimizer.
          levels: number of prunings; the most there may be if `pruning_rate` is an
            `AdaptiveRate` with a density.
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
            consecutive inputs of a unit of Dense layers. Whatever it is, `fit` trains the whole
            network, masked; the program trains small networks in place of pruned "units".
          prune_from: the network that is pruned: "previous_level" (iterative), "dense" (one-shot),
            or that of the "rewind_step" (before training).
          retraining: what a pruned network is trained from: "rewind_weights": weights and learning
            rate of the rewind step; "rewind_learning_rate": its trained weights, with the learning
            rate of the rewind step; "fine_tune": its trained weights, at the last learning rate
            of training, for as many iterations as follow the rewind step.
          fine_tune_learning_rate: with "fine_tune": takes the place of the last learning rate. It
            has to be given where the optimizer's schedule ends near 0.
          target_density: in place of `levels`: prune until this fraction of the weights remains,
            the last time only as much as it takes.
          stop_below: the search ends with the first level whose accuracy on validation data is
            below this: an accuracy, such as 0.9, or points below that of level 0, such as "2pt". By
            default it ends with the last level.
          stop_metric: the metric that `stop_below` looks at, if it is not the one accuracy among
            those on validation data: "val_top_5_accuracy".
          optimizer: that trains the model in a loop of yours, for `run`; by default the one that it
            is compiled with.
          folder: keeps the finished levels, in place of memory: the same search of the same model,
            made in another process, goes on after them, also to more levels. It warns if it goes on
            with other arrays; `tf.data` and generators cannot be compared. A function given as
            `score` is the same if its code is, without comments and docstrings; functions that it
            calls are not looked at. By default levels last as long as this object.

        Raises:
          ValueError: if the model is not prunable or has no optimizer, if it is pruned already, if
            there is no such score, if arguments do not go together, if no weight would remain, or
            if the folder holds anything but such a search.
          DamagedFileError: if a file in the folder is not as it was written.
        """
        check_is_model(model, "make it prunable with tf_lottery.prunable(model)")
        arguments = SearchArguments(
            levels=levels,
            pruning_rate=plain_rates(pruning_rate),
            rewind_step=rewind_step,
            scope=scope,
            score=score,
            rewind_optimizer=rewind_optimizer,
            structure=structure,
            prune_from=prune_from,
            retraining=retraining,
            fine_tune_learning_rate=fine_tune_learning_rate,
            target_density=target_density,
            stopping=StoppingRule(stop_below, stop_metric),
        )
        optimizer = chosen_optimizer(model, optimizer)
        self._search = TicketSearch(arguments, model, optimizer, folder)
        self._arguments, self._network = arguments, self._search.network
        self._journal, self.history = self._search.journal, self._search.history

    def __repr__(self) -> str:
        """How it is pruned, and what is finished."""
        summary = self._arguments.summary(self._search.levels, len(self.history.levels))
        return f"<IterativeMagnitudePruning: {summary}>"

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
        iteration as level 0; those that are fine-tuned start there, and are as long. A callback
        that stops training, such as EarlyStopping, ends the level earlier, and the history says so;
        data that run out are an error. If it is interrupted, calling it again goes on with the
        level that was not finished.

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
            the model's outputs, the score cannot be taken of this model or data, fine-tuning would
            go on at a rate that ended near 0, or a level is shorter or longer than planned, though
            no callback stopped it.
          TrainingDivergedError: if a level's losses or weights are not finite; says since which
            iteration and, where it is so, which example is not. Earlier levels are kept.
        """
        callbacks = () if callbacks is None else callbacks
        model, search, arguments = self._network.model, self._search, self._arguments
        verbose = fit_arguments.get("verbose", "auto")
        x, y = as_arrays(x), as_arrays(y)
        check_fit(model, x, epochs, callbacks, {"y": y, **fit_arguments})
        check_fit_texts(model, x)
        check_fit_data(model, x, {"y": y, **fit_arguments})
        check_fit_labels(model, y, fit_arguments)
        arguments.stopping.check_fit(fit_arguments, epochs)
        check_same_optimizer(model, self._network.optimizer)
        warn_of_files("callbacks", callbacks, search.levels)
        steps_per_epoch = infer_steps_per_epoch(x, fit_arguments)
        check_epoch(steps_per_epoch)
        if steps_per_epoch is not None:
            search.set_steps_per_epoch(steps_per_epoch)
        steps_per_epoch = search.steps_per_epoch
        because = arguments.needs_length()
        if steps_per_epoch is None and because is not None:
            steps_per_epoch = counted_steps(x, because, announce=bool(verbose))
        rewind_step = resolve_rewind_step(
            arguments.rewind_step,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            steps_per_execution=steps_per_execution(model),
        )
        training = TrainingByFit(
            search,
            arguments.retraining,
            rewind_step,
            steps_per_epoch,
            epochs=epochs,
            callbacks=callbacks,
            data=(x, y),
            fit_arguments=fit_arguments,
        )
        data = {"x": x, "y": y, "sample_weight": fit_arguments.get("sample_weight")}
        weights = fit_arguments.get("class_weight") or {}
        if weights and all(map(is_number, weights.values())):
            data["class_weight"] = np.array(sorted(weights.items()))
        with search.opened(epochs, data=data):
            for level in search.to_train(training.read_batches, training.train_steps):
                if verbose:
                    self._announce(level.number)
                level.record = training.train(level)
        return self.history

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
            are the iterations from the rewind step (at level 0 from 0; fine-tuning from the end)
            to the end; returns what is to be recorded.
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
        search, arguments = self._search, self._arguments
        rewind_step = resolve_rewind_step(
            arguments.rewind_step, epochs=1, steps_per_epoch=iterations, steps_per_execution=1
        )

        no_data = arguments.no_data(
            "a loop of yours does not show", "use fit, or prune by something else"
        )

        def train_level(level: LevelToTrain) -> dict[str, Any]:
            if verbose:
                self._announce(level.number)
            first = first_step(level.number, arguments.retraining, iterations, rewind_step)
            last = last_step(first, iterations, rewind_step)
            steps = TrainingSteps(
                first,
                last,
                save_at=None if level.number else rewind_step,
                save=lambda step: level.save_rewind_state(search.state()),
            )
            metrics = checked_metrics(train(steps))
            steps.check_end()
            check_pruned_weights(self._network.model)
            if (rewind_step or first) and ignores_lead(self._network.optimizer):
                raise ValueError(
                    "the training loop does not follow the learning-rate schedule of the search's "
                    "optimizer: its step was compiled before the search was made, or it has "
                    "another optimizer. Make the search first; then the schedule can go on from "
                    "the rewind step."
                )
            return search.record(level.number, metrics, iterations=last, weights_at=last)

        with search.opened(None, iterations):
            for level in search.to_train(no_data, iterations):
                level.record = train_level(level)
        return self.history

    def restore(
        self,
        level: int,
        weights: TicketWeights = "trained",
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
          weights: "trained", or "rewind" for those of the rewind step under the level's mask.
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
        check_finished(self._journal, level)
        return restored(self._network, self._journal, level, weights, into)

    def mask(self, level: int) -> Mask:
        """The mask of a finished level.

        Raises:
          ValueError: if the level is not finished.
        """
        return mask_of(self._journal, level)

    def _announce(self, level: int) -> None:
        density = self._network.mask.density
        tell(f"Level {level} of {self._search.levels}, density {density:.1%}")
