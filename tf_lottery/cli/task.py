"""What the job of a cluster runs: the program, with its output in a log, until it is told to stop.

It is run as a file, `python task.py FOLDER ATTEMPT FLAGS...`, wherever the package lies. In FOLDER,
which the one that submits the job sees too, it writes `log.txt`, and `state.json` when it begins
and when it ends. It stops as on Ctrl-C when `order.txt` says so, and at once when whoever started
it is gone: its standard input is a pipe that then ends.
"""

import json
import os
import shlex
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

_SECONDS_BETWEEN_LOOKS = 1.0
# What Ctrl-C raises may be lost in callbacks of C++ code.
_SECONDS_BETWEEN_ORDERS = 5.0
_MOST_ORDERS = 12


def run_task(folder: Path, attempt: str, flags: list[str]) -> int:
    """Does what flags say.

    Args:
      folder: where log and state are written to.
      attempt: names this attempt at the task, among others before it.
      flags: of the program.

    Returns:
      The exit code: that of the program, or one of `experiments.jobs.outcome`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_output_to(folder / "log.txt")
    # It may have been inherited that Ctrl-C is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGUSR2"):
        # Slurm's word that the time is nearly over, for the one that started this process.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    state = {
        "attempt": attempt,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "begun": time.time(),
    }
    print(f"$ main.py {shlex.join(flags)}", flush=True)
    print(f"(host {state['host']}, process {state['process']}, folder {Path.cwd()})", flush=True)
    _write(folder / "state.json", state)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    threading.Thread(target=_stop_on_order, args=(folder, attempt), daemon=True).start()
    status = 1
    try:
        status = _status(flags)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.flush()
        sys.stderr.flush()
        _write(folder / "state.json", {**state, "status": status})
    return status


def _status(flags: list[str]) -> int:
    from tf_lottery.experiments.jobs.outcome import DIVERGED, INTERRUPTED

    try:
        from tf_lottery.cli.program import main
        from tf_lottery.interrupts import remember_interrupts

        remember_interrupts()
        sys.argv = ["main.py", *flags]
        main()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        # What the program has told, and then ended with its code for all errors.
        cause = end.__context__
        if isinstance(cause, KeyboardInterrupt):
            return INTERRUPTED
        if isinstance(cause, ArithmeticError):
            return DIVERGED
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def _write_output_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    os.close(descriptor)


def _write(path: Path, state: dict[str, Any]) -> None:
    from tf_lottery.store.atomic import write_text

    write_text(path, json.dumps(state) + "\n")


def _end_with_starter() -> None:
    if sys.stdin is None or sys.stdin.isatty():
        return
    with suppress(OSError):
        while os.read(sys.stdin.fileno(), 1024):
            pass
    # Nobody waits for it any more; it is continued by the next attempt.
    os._exit(1)


def _stop_on_order(folder: Path, attempt: str) -> None:
    # It is opened each time, so that network file systems look whether it has changed.
    while not _is_told_to_stop(folder / "order.txt", attempt):
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    for _ in range(_MOST_ORDERS):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(_SECONDS_BETWEEN_ORDERS)
    os._exit(1)


def _is_told_to_stop(order: Path, attempt: str) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        return order.read_text() == f"stop {attempt}\n"
    return False


if __name__ == "__main__":
    # The folder that holds the package takes the place of this file's.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    sys.exit(run_task(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
