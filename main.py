"""Runs one experiment, described by flags: `python main.py --flagfile=configs/NAME.cfg`."""

import sys

from absl import app, flags, logging

import tf_lottery
from tf_lottery import flags as experiment_flags
from tf_lottery.startup import import_tensorflow_quietly


def main(arguments: list[str]) -> None:
    """Runs the experiment that the flags describe."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(arguments[1:])}")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)
    try:
        config = experiment_flags.config_from_flags()
        import_tensorflow_quietly()  # only now: --help and bad flags need not wait for it
        tf_lottery.run_experiment(config)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The same command continues where it stopped.")
    except (ValueError, ArithmeticError, ConnectionError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    experiment_flags.define_flags()
    flags.adopt_module_key_flags(experiment_flags)
    app.run(main)
