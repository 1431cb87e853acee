"""Seconds until a new process has imported the package, beside TensorFlow's own import.

    python benchmarks/import_time.py [--rounds=5]

`import tf_lottery` should take no longer than TensorFlow, and all public names at most a second
more than TensorFlow and the packages that they stand on.
"""

import argparse
import os
import subprocess
import sys
from functools import partial

from pairs import alternate, print_ratios

STATEMENTS = {
    "nothing": "pass",
    "tf_lottery": "import tf_lottery",
    "its flags (--help)": "from tf_lottery.cli.command_flags import define_flags; define_flags()",
    "tensorflow": "import tensorflow",
    "tensorflow, tf_keras, tfmot": "import tensorflow, tf_keras, tensorflow_model_optimization",
    "all names of tf_lottery": "from tf_lottery import *",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    runs = {name: partial(run_python, statement) for name, statement in STATEMENTS.items()}
    seconds = alternate(runs, arguments.rounds)
    print_ratios("A new process that imports", seconds, "tensorflow")


def run_python(statement: str) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, "-c", statement], env=environment, stderr=subprocess.DEVNULL, check=True
    )


if __name__ == "__main__":
    main()
