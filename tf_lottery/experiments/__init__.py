"""What `main.py` can run."""

from tf_lottery.experiments.lottery import run_experiment

__all__ = ["run_experiment"]
