"""Runs one experiment, described by flags: `python main.py --flagfile=configs/NAME.cfg`."""

import os
import sys

from absl import app, flags, logging

# TensorFlow reads it when it is imported; its start-up messages would bury ours.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tf_lottery.flags import config_from_flags, define_flags


def main(arguments: list[str]) -> None:
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(arguments[1:])}")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)
    try:
        config = config_from_flags()
        from tf_lottery.experiments import run_experiment

        run_experiment(config)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command continues where it stopped.")
    except (ValueError, ArithmeticError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
