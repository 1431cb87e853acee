"""Whether a run was made with the flags that are given."""

from collections.abc import Mapping
from typing import Any

from tf_lottery.store.run_folder import RunFolder


def check_flags_of_run(run: RunFolder, expected: Mapping[str, Any]) -> None:
    """Checks that a run was made with some flags.

    Raises:
      ValueError: if it was not; names the first flag, its value, and the run's.
    """
    for flag, value in expected.items():
        if flag == "rewind_step":
            _check_rewind_step(run, value)
        elif flag in run.identity and not run.identity.agrees(flag, value):
            raise ValueError(
                f"--{flag}={value}: {run.path} was made with --{flag}={run.identity[flag]}; leave "
                "the flag out, or name another run."
            )


def _check_rewind_step(run: RunFolder, wanted: str) -> None:
    own, step = run.details.rewind_step, run.details.iteration(wanted, "--rewind_step")
    if step != own:
        raise ValueError(
            f"--rewind_step={wanted}: {run.path} is rewound to iteration {own}; leave the flag "
            "out, or run the experiment with it. "
            f"--sweep=rewind_step:{own}it,{step}it makes a run for each."
        )
