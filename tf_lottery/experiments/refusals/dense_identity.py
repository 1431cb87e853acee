"""What the training of the dense network depends on."""

from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.options import names_of
from tf_lottery.config.pruning import PruningConfig
from tf_lottery.store.former_flags import flags_in_effect
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_folder import RunFolder


def dense_training_of(config: ExperimentConfig) -> dict[str, Any]:
    """The flag values that the training of the dense network depends on."""
    # A layer that is excluded has no mask in level 0 either.
    later = {*names_of(PruningConfig), "fine_tune_learning_rate"} - {"exclude"}
    return {name: value for name, value in config.identity().items() if name not in later}


def dense_source(config: ExperimentConfig) -> Path | None:
    """The run folder that the dense network is to be taken from, if one is named."""
    source = config.run.dense_from
    return None if source is None else Path(source).expanduser()


def check_dense_source(config: ExperimentConfig) -> None:
    """Checks that the other run was made with flags that give the same dense network.

    Where the dense network is trained already, it is not looked at.

    Args:
      config: of the experiment that is to take it.

    Raises:
      ValueError: if there is none, or its dense network is trained in another way; says how.
    """
    source = dense_source(config)
    if source is None or LevelFolder(config.run_path / "level_0").is_complete():
        return
    if not (source / "config.json").exists():
        raise ValueError(
            f"--dense_from={source} is not a run folder, WORKDIR/NAME/replicate_R; name one, or "
            "leave the flag out."
        )
    other = RunFolder.read(source)
    wanted = dense_training_of(config)
    known = flags_in_effect(other.identity)
    for name, value in wanted.items():
        if not known.agrees(name, value):
            raise ValueError(
                f"--dense_from={other.path}: it was made with --{name}={known[name]}, and this run "
                f"has --{name}={value}; name a run that differs in pruning alone."
            )
