"""What the values of a configuration may be, each alone and together."""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from typing import TYPE_CHECKING, Any

from tf_lottery.config.arguments import (
    LARGEST_WHOLE,
    MOST_LEVELS,
    check_path,
    check_truth,
    is_number,
    is_whole,
    refusal,
    shown,
)
from tf_lottery.config.steps import parse_steps

if TYPE_CHECKING:
    from tf_lottery.config.experiment import ExperimentConfig, PruningConfig

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
# Of file systems, which know no longer ones.
_LONGEST_NAME = 200
# What training computes in: beyond these, numbers are 0 or infinite.
_SMALLEST_FLOAT, _LARGEST_FLOAT = 1.2e-38, 3.4e38


def check_ranges(config: ExperimentConfig) -> None:
    """Checks all values that can be checked without data and network.

    Raises:
      ValueError: if a value is out of its range; names the flag.
    """
    for section in dataclasses.fields(config):
        check_options(getattr(config, section.name))
    _check_data(config)
    _check_training(config)
    _check_learning_rate(config)
    _check_steps(config)
    _check_pruning(config)
    _check_run(config)


def check_options(section: Any) -> None:
    """Checks the type of each option of a section, and that it is one of its choices.

    Args:
      section: a dataclass of `config.option`s.

    Raises:
      ValueError: names the first flag of another type, its value, and what is right.
    """
    for option in dataclasses.fields(section):
        value, choices = getattr(section, option.name), option.metadata["choices"]
        if value is None and option.default is None:
            continue
        if choices:
            right = f"use one of {', '.join(choices)}"
            _require(isinstance(value, str) and value in choices, option.name, value, right)
        elif option.metadata["path"]:
            check_path(f"--{option.name}", value)
        else:
            _check_type(f"--{option.name}", option, value)


def _check_type(flag: str, option: dataclasses.Field, value: Any) -> None:
    kinds = _kinds(option.type)
    if bool in kinds:
        check_truth(flag, value)
    elif int in kinds:
        if not is_whole(value):
            raise refusal(flag, value, "use a whole number")
        if abs(value) > LARGEST_WHOLE:
            raise refusal(flag, value, "use a whole number below 2**63")
    elif float in kinds:
        if not is_number(value) and value not in kinds:
            raise refusal(flag, value, " or ".join(["use a number", *filter(_is_text, kinds)]))
    elif not isinstance(value, str):
        raise refusal(flag, value, f"use a text, such as {option.default or 'a name'!r}")


def _kinds(annotation: Any) -> list[Any]:
    """The types of an annotation, and the values of a literal in it."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return [kind for part in typing.get_args(annotation) for kind in _kinds(part)]
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [annotation]


def _is_text(kind: Any) -> bool:
    return isinstance(kind, str)


def _require(holds: bool, flag: str, value: Any, right: str) -> None:
    if not holds:
        text = value if isinstance(value, str) else shown(value)
        raise ValueError(f"--{flag}={text} is out of range: {right}.")


def _is_positive(value: float) -> bool:
    return _SMALLEST_FLOAT <= value <= _LARGEST_FLOAT


def _check_data(config: ExperimentConfig) -> None:
    data = config.data
    for flag in ("validation_examples", "split_seed", "shift_crop", "cutout"):
        _require(getattr(data, flag) >= 0, flag, getattr(data, flag), "use 0 or more")
    _require(
        data.image_size is None or data.image_size >= 1,
        "image_size",
        data.image_size,
        "use 1 or more",
    )
    _require(data.shuffle_buffer >= 1, "shuffle_buffer", data.shuffle_buffer, "use 1 or more")
    _require(0 < data.smallest_crop <= 1, "smallest_crop", data.smallest_crop, "use 0 < share <= 1")


def _check_training(config: ExperimentConfig) -> None:
    training = config.training
    _require(training.batch_size >= 1, "batch_size", training.batch_size, "use 1 or more")
    _require(0 <= training.momentum < 1, "momentum", training.momentum, "use 0 <= momentum < 1")
    _require(
        not (training.momentum and training.optimizer != "sgd"),
        "momentum",
        training.momentum,
        "only --optimizer=sgd has momentum",
    )
    _require(
        not training.nesterov or training.momentum > 0,
        "nesterov",
        training.nesterov,
        "it is a form of momentum: give --momentum as well",
    )
    decay, mode = training.weight_decay, training.weight_decay_mode
    _require(decay == 0 or _is_positive(decay), "weight_decay", decay, "use 0 or more")
    _require(
        not (training.optimizer == "adamw" and mode == "l2"),
        "weight_decay_mode",
        mode,
        "adamw is Adam with decoupled weight decay; use --optimizer=adam for l2",
    )
    _require(
        0 <= training.label_smoothing < 1,
        "label_smoothing",
        training.label_smoothing,
        "use 0 <= share < 1",
    )
    _require(
        training.clip_norm is None or _is_positive(training.clip_norm),
        "clip_norm",
        training.clip_norm,
        "use a positive number, or leave it out",
    )


def _check_learning_rate(config: ExperimentConfig) -> None:
    training = config.training
    rate, schedule, final = (
        training.learning_rate,
        training.lr_schedule,
        training.final_learning_rate,
    )
    _require(_is_positive(rate), "learning_rate", rate, "use a positive number")
    _require(0 < training.lr_decay < 1, "lr_decay", training.lr_decay, "use 0 < factor < 1")
    _require(
        bool(training.lr_milestones.strip()) == (schedule == "step"),
        "lr_milestones",
        training.lr_milestones,
        "--lr_schedule=step needs points such as 32000it,48000it, and no other schedule has them",
    )
    _require(
        final == 0 or (schedule in ("linear", "cosine") and 0 < final < rate),
        "final_learning_rate",
        final,
        f"--lr_schedule=linear or cosine end at it, below --learning_rate={rate}",
    )
    tuning = training.fine_tune_learning_rate
    _require(
        tuning is None or _is_positive(tuning),
        "fine_tune_learning_rate",
        tuning,
        "use a positive number, or leave it out",
    )
    _require(
        tuning is None or "fine_tune" in (config.pruning.retraining, config.branch.branch),
        "fine_tune_learning_rate",
        tuning,
        "it is for --retraining=fine_tune or --branch=fine_tune",
    )


def _check_steps(config: ExperimentConfig) -> None:
    """Checks that points in training can be read; how long an epoch is does not matter here."""
    training = config.training
    points = {
        "train_steps": training.train_steps,
        "evaluate_every": training.evaluate_every,
        "warmup_steps": training.warmup_steps,
        "rewind_step": config.pruning.rewind_step,
    }
    if training.validate_every:
        points["validate_every"] = training.validate_every
    for flag, point in points.items():
        total = None if flag == "train_steps" else 1
        parse_steps(point, steps_per_epoch=1, total_steps=total, argument=f"--{flag}")


def _check_pruning(config: ExperimentConfig) -> None:
    pruning = config.pruning
    _require(pruning.levels >= 0, "levels", pruning.levels, "use 0 or more")
    _require(pruning.levels <= MOST_LEVELS, "levels", pruning.levels, f"use 0 to {MOST_LEVELS}")
    _require(
        pruning.adaptive or 0 < pruning.pruning_rate < 1,
        "pruning_rate",
        pruning.pruning_rate,
        "use a fraction between 0 and 1, such as 0.2, or auto",
    )
    _check_adaptive_rate(pruning)
    for flag in ("conv_pruning_rate", "first_layer_pruning_rate", "output_pruning_rate"):
        rate = getattr(pruning, flag)
        _require(rate is None or 0 <= rate < 1, flag, rate, "use 0 <= rate < 1")
    _require(pruning.score_examples >= 1, "score_examples", pruning.score_examples, "use 1 or more")
    _check_rates_of_levels(pruning)
    _check_structure(pruning)
    _require(
        pruning.prune_from != "rewind_step" or pruning.retraining == "rewind_weights",
        "retraining",
        pruning.retraining,
        "--prune_from=rewind_step prunes an untrained network; use rewind_weights",
    )
    _require(
        not pruning.rewind_optimizer or pruning.retraining == "rewind_weights",
        "rewind_optimizer",
        pruning.rewind_optimizer,
        f"--retraining={pruning.retraining} keeps the weights; use rewind_weights",
    )


def _check_adaptive_rate(pruning: PruningConfig) -> None:
    rise, least, most = pruning.auto_loss_rise, pruning.auto_least_rate, pruning.auto_most_rate
    _require(0 < rise < math.inf, "auto_loss_rise", rise, "use a positive number")
    _require(0 < least < 1, "auto_least_rate", least, "use a fraction between 0 and 1")
    density = pruning.target_density
    _require(
        not (pruning.adaptive and density) or (1 - least) ** MOST_LEVELS <= density,
        "auto_least_rate",
        least,
        f"--target_density={density} could take more than {MOST_LEVELS} levels; use a higher rate",
    )
    right = f"use a fraction from --auto_least_rate={least} to below 1"
    _require(least <= most < 1, "auto_most_rate", most, right)
    if not pruning.adaptive:
        for flag in ("auto_loss_rise", "auto_least_rate", "auto_most_rate"):
            value, default = getattr(pruning, flag), getattr(type(pruning), flag)
            _require(value == default, flag, value, "it is for --pruning_rate=auto")
        return
    for flag, right in (
        ("pruning_rates", ""),
        ("prune_from", "previous_level"),
        ("structure", "weights"),
    ):
        value = getattr(pruning, flag)
        use = f"use {right}" if right else "leave it out"
        _require(value == right, flag, value, f"--pruning_rate=auto does not go with it; {use}")


def _check_rates_of_levels(pruning: PruningConfig) -> None:
    try:
        rates = pruning.rates if pruning.pruning_rates else ()
    except ValueError:
        rates = (math.nan,)
    _require(
        all(0 < rate < 1 for rate in rates),
        "pruning_rates",
        pruning.pruning_rates,
        "use fractions between 0 and 1, such as 0.5,0.3,0.2",
    )
    density = pruning.target_density
    _require(
        density is None or 0 < density < 1,
        "target_density",
        density,
        "use a fraction between 0 and 1, such as 0.05",
    )
    _require(
        density is None or not rates,
        "target_density",
        density,
        "--pruning_rates says how many weights remain; leave one of the two out",
    )


def _check_structure(pruning: PruningConfig) -> None:
    once = pruning.levels == 1 and pruning.rates == 0.5 and pruning.target_density is None
    _require(
        pruning.structure != "2:4" or once,
        "structure",
        pruning.structure,
        "it halves the weights once, so use --levels=1 --pruning_rate=0.5",
    )
    for flag in ("conv_pruning_rate", "first_layer_pruning_rate", "output_pruning_rate"):
        rate = getattr(pruning, flag)
        _require(
            pruning.structure != "2:4" or rate in (None, 0, 0.5),
            flag,
            rate,
            "--structure=2:4 halves a layer or leaves it dense; use 0, or leave it out",
        )
    _require(
        pruning.structure != "units" or not pruning.output_pruning_rate,
        "output_pruning_rate",
        pruning.output_pruning_rate,
        "--structure=units leaves the output units, which are the classes; leave it out",
    )
    _require(
        pruning.structure != "1x4" or not pruning.conv_pruning_rate,
        "conv_pruning_rate",
        pruning.conv_pruning_rate,
        "--structure=1x4 prunes Dense layers alone; use 0, or leave it out",
    )


def _check_run(config: ExperimentConfig) -> None:
    seeds, run = config.seeds, config.run
    _require(seeds.replicate >= 1, "replicate", seeds.replicate, "use 1 or more")
    for flag, seed in (
        ("init_seed", seeds.init_seed),
        ("data_seed", seeds.data_seed),
        ("branch_seed", config.branch.branch_seed),
    ):
        _require(seed is None or seed >= 0, flag, seed, "use 0 or more")
    perturbation = config.branch.perturbation
    _require(
        0 <= perturbation < math.inf,
        "perturbation",
        perturbation,
        "use 0, which moves nothing, or a positive number, such as 2",
    )
    for flag in ("steps_per_execution", "num_virtual_devices"):
        number = getattr(run, flag)
        _require(number is None or number >= 1, flag, number, "use 1 or more")
    devices, batch = run.num_virtual_devices, config.training.batch_size
    _require(
        devices is None or devices <= batch,
        "num_virtual_devices",
        devices,
        f"they share the examples of a batch; use at most --batch_size={batch}",
    )
    _require(
        run.tpu is None or run.distribution in ("auto", "tpu"),
        "tpu",
        run.tpu,
        f"--distribution={run.distribution} does not use it; use auto or tpu",
    )
    _require(
        run.name is None or (_NAME.fullmatch(run.name) and len(run.name) <= _LONGEST_NAME),
        "name",
        run.name,
        f"use up to {_LONGEST_NAME} letters, digits, '.', '_' and '-', not beginning with '.'",
    )
