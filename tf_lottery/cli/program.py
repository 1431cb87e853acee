"""The program: what `main.py` and the command `tf-lottery` do with their flags."""

import os
import re
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from absl import app, flags, logging

import tf_lottery
from tf_lottery.cli import (
    command_flags,
    commands,
    end_interrupted,
    flag_files,
    help_page,
    reproduction,
    shipped_configs,
)
from tf_lottery.cli.origins import place_of, with_origins
from tf_lottery.cli.plugin_flag import plugins_in
from tf_lottery.cli.sweeps import hint_to_sweep
from tf_lottery.config import flags as experiment_flags
from tf_lottery.config.analyses import OTHER_COMMANDS
from tf_lottery.config.run import RunConfig
from tf_lottery.interrupts import errors_of_interrupts
from tf_lottery.registry import import_plugin, likely_names
from tf_lottery.store.needed_plugins import missing_plugins
from tf_lottery.store.replicates import replicate_folders
from tf_lottery.training.meeting import end_others
from tf_lottery.training.tf_config import Place, place_among_workers
from tf_lottery.users_code import told

_LESS_MEMORY = (
    "Use a smaller network, smaller images or a smaller --batch_size, or keep the data in the "
    "host's memory (--in_memory=off). Levels that are finished are kept."
)
_CONTINUES = "The same command continues where it stopped."
_LONGEST_ERROR = 200
_OF_HELP = "\nmain.py --help lists the flags."
_MISSING_VALUE = re.compile(r"^Missing value for flag (\S+)$")
_EQUALS_TWICE = re.compile(r"flag (--\w+)==")
# In a line of a flag file, or in quotes.
_APART = re.compile(r"--?(?P<name>\w+)\s*(=|\s)\s*(?P<value>.*)")


def main() -> None:
    """Defines the flags, reads them from `sys.argv`, does what they describe, and exits."""
    if sys.argv[1:] == ["configs"]:
        _print_whole(shipped_configs.listing())
        return
    sys.argv = shipped_configs.with_paths(sys.argv)
    try:
        for name in plugins_in(sys.argv):
            import_plugin(name)
    except ValueError as error:
        _refuse(str(error))
    command_flags.define_flags()
    try:
        answer = help_page.asked_for(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"Error: {error}")
    if answer is not None:
        _print_whole(answer)
        return
    for module in (command_flags, experiment_flags):
        for flag in flags.FLAGS.get_key_flags_for_module(module):
            # --help shows the key flags of the program that is run, whichever that is.
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    try:
        try:
            app.run(_run, flags_parser=_parse)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Who reads the output, such as `head`, has seen enough; Python would flush it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _parse(arguments: list[str]) -> list[str]:
    try:
        return flags.FLAGS(flag_files.with_content(arguments))
    except flags.UnrecognizedFlagError as error:
        problem = _of_unknown(error.flagvalue, error.flagname)
        _refuse(f"{problem}{_hint_to_plugins(arguments)}", _OF_HELP)
    except flags.Error as error:
        problem = _MISSING_VALUE.sub(r"\1: give it a value, as \1=VALUE", str(error))
        hints = (hint_to_sweep(problem), _hint_to_spaces(problem), _hint_to_plugins(arguments))
        _refuse(f"{problem}{''.join(hints)}", _OF_HELP)
    except ValueError as error:
        _refuse(str(error))


def _of_unknown(argument: str, name: str) -> str:
    """What is wrong with an argument that is no known flag."""
    apart = _APART.fullmatch(argument)
    if apart and apart["name"] in flags.FLAGS:
        return f"{argument}: write --{apart['name']}={apart['value']}, without spaces."
    negated = [f"no{other}" for other in flags.FLAGS if flags.FLAGS[other].boolean]
    known = [*flags.FLAGS, *(negated if name.startswith("no") else [])]
    close = [f"--{other}" for other in likely_names(name.lower(), known)]
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"{argument}: there is no flag --{name}.{meant}"


def _hint_to_spaces(problem: str) -> str:
    found = _EQUALS_TWICE.match(problem)
    return "" if found is None else f". Write {found[1]}=VALUE without spaces around the ="


def _hint_to_plugins(arguments: list[str]) -> str:
    """Names the plug-ins of the first run that --run names which are not given: they have flags."""
    for argument in arguments:
        if argument.startswith("--run="):
            with suppress(ValueError, OSError):
                for run in replicate_folders(Path(argument.removeprefix("--run="))):
                    if missing := missing_plugins(run):
                        plugins = ",".join(missing)
                        return f" {run} was made with --plugin={plugins}; give that flag too."
    return ""


def _refuse(problem: str, more: str = "", *, begun: bool = False) -> NoReturn:
    _end(f"{with_origins(problem, sys.argv, flags.FLAGS)}{more}", begun=begun)


def _end(problem: str, *, begun: bool = False) -> NoReturn:
    """Exits with an error; other workers know of it already if a command was begun."""
    text, place = f"Error: {problem}", None if begun else _place_among_workers()
    if place is None:
        sys.exit(text)
    print(text, file=sys.stderr, flush=True)
    end_others(place, problem)
    sys.exit(1)


def _place_among_workers() -> Place | None:
    """The place among the workers that wait for this one, as far as the flags could be read."""

    def value(name: str) -> Any:
        return flags.FLAGS[name].value if name in flags.FLAGS else None

    if value("experiment") in OTHER_COMMANDS:
        return None  # The chief alone does these.
    with suppress(ValueError):
        return place_among_workers(
            RunConfig(distribution=value("distribution") or "auto", tpu=value("tpu"))
        )
    return None


def _print_whole(text: str) -> None:
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing may be written at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _error_of(interrupt: KeyboardInterrupt) -> str:
    """What the interrupt has led to, which may be a problem of its own, such as a full disk."""
    error = interrupt.__cause__
    if error is None:
        return ""
    said = f"{type(error).__name__}: {error}".rstrip(" :.")
    return f" ({textwrap.shorten(said, _LONGEST_ERROR, placeholder=' ...')})"


def _run(arguments: list[str]) -> int:
    if len(arguments) > 1:
        word = arguments[1]
        where = f"\n{place_of(word)}" if isinstance(word, flag_files.Line) else ""
        _end(
            f"{word}: flags begin with --, such as --levels=5, without spaces around = and commas; "
            f"main.py --help lists them.{where}"
        )
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)
    begun = False
    try:
        with errors_of_interrupts():
            if flags.FLAGS["experiment"].value == "reproduce":
                return reproduction.reproduce(flags.FLAGS)
            command = commands.command_from_flags()
            begun = True
            return tf_lottery.run_command(command)
    except KeyboardInterrupt as interrupt:
        end_interrupted(f"Interrupted{_error_of(interrupt)}. {_CONTINUES}")
    except BrokenPipeError:
        raise
    except (ValueError, ArithmeticError, ConnectionError) as error:
        said = str(error)
        may_be_of_plugin = "is not a known" in said and "--plugin" not in said
        hint = _hint_to_plugins(sys.argv) if may_be_of_plugin else ""
        _refuse(f"{told(error)}{hint}", begun=begun)
    except OSError as error:
        # Without it, it is not the system that has refused something.
        reason = error.strerror
        said = f"{error.filename or 'a file'} cannot be used: {reason}" if reason else None
        _refuse(told(error, said), begun=begun)
    except MemoryError:
        sys.exit(f"Error: the memory is full. {_LESS_MEMORY}")
    except Exception as error:
        # TensorFlow's own, which is imported by now if it is one of them.
        if type(error).__name__ != "ResourceExhaustedError":
            raise
        sys.exit(f"Error: the memory of a device is full. {_LESS_MEMORY}")
