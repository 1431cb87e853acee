"""What `--help` prints: the flags by task, or those of one experiment; shell completion."""

import re
import textwrap
from collections.abc import Iterable, Sequence

from absl import flags

import tf_lottery
from tf_lottery.cli.flag_uses import is_of_use
from tf_lottery.cli.reproduction import TAKEN
from tf_lottery.config.analyses import ANALYSES, analysis_names, analysis_options
from tf_lottery.config.branches import branch_options
from tf_lottery.config.controls import BranchConfig, SeedConfig
from tf_lottery.config.data import DataConfig
from tf_lottery.config.export import ExportConfig
from tf_lottery.config.matching import Matching
from tf_lottery.config.network import ModelConfig
from tf_lottery.config.options import names_of
from tf_lottery.config.pruning import PruningConfig
from tf_lottery.config.run import RunConfig
from tf_lottery.config.training import TrainingConfig

_WIDTH = 80
_OF_ABSL = re.compile(r";\s*repeat this option to specify a list of values")
_WHAT = (
    *("experiment", "run", "workdir", "name", "replicate", "replicates", "sweep"),
    *("figure", "fraction", "report", "report_dir"),
)
_MATCHING = names_of(Matching)


# What looks at finished runs takes these, besides its own.
_OF_FOLLOWERS = (
    *("experiment", "run", "replicate", "replicates", "levels", "other_run"),
    *(name for name in names_of(RunConfig) if name not in ("workdir", "name", "export_dir")),
)


def experiment_in(arguments: Sequence[str]) -> str | None:
    """The value of --experiment among a command's arguments; None if it is not given."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.lstrip("-").partition("=")
        if argument.startswith("-") and name == "experiment":
            return value if equals else "".join(arguments[position + 1 : position + 2])
    return None


def asked_for(arguments: Sequence[str], flag_values: flags.FlagValues = flags.FLAGS) -> str | None:
    """What --help, --version or --completion ask for.

    Args:
      arguments: of the command line.
      flag_values: the defined flags.

    Returns:
      What is to be printed; None if there is no such flag.

    Raises:
      ValueError: if --experiment or --completion has a value that there is not.
    """
    for argument in arguments:
        name, _, value = argument.lstrip("-").partition("=")
        if not argument.startswith("-"):
            continue
        if name == "version":
            return f"tf_lottery {tf_lottery.__version__}\n"
        if name == "completion":
            if value not in _SHELLS:
                raise ValueError(f"--completion={value}: use one of {', '.join(_SHELLS)}.")
            return completion_script(value, flag_values)
        if name in ("help", "helpfull", "helpshort", "h", "?"):
            return help_text(experiment_in(arguments), flag_values)
    return None


def help_text(experiment: str | None, flag_values: flags.FlagValues = flags.FLAGS) -> str:
    """All flags by task, or those that an experiment takes.

    Args:
      experiment: a value of --experiment; None: all flags.
      flag_values: the defined flags.

    Raises:
      ValueError: if there is no such experiment.
    """
    choices = flag_values["experiment"].parser.enum_values
    if experiment is not None and experiment not in choices:
        raise ValueError(f"--experiment={experiment}: use one of {', '.join(choices)}.")
    head = "Usage: main.py --flagfile=FILE --FLAG=VALUE ..."
    which = (
        "All flags by task; --experiment=NAME --help shows those of one experiment."
        if experiment is None
        else f"The flags of --experiment={experiment}."
    )
    configs = (
        "`tf-lottery configs` (in a clone `python main.py configs`) lists the flag files\n"
        "that are there already."
    )
    parts = [head, f"{which}\n{configs}"]
    for title, names in flag_groups().items():
        taken = [name for name in names if experiment is None or _takes(experiment, name)]
        if taken:
            parts.append("\n".join([title, *_entries(taken, flag_values)]))
    parts.append(
        "--version prints the version; --completion=bash or zsh prints what the shell\nneeds to "
        'complete flags: eval "$(tf-lottery --completion=bash)"'
    )
    return "\n\n".join(parts) + "\n"


def flag_groups() -> dict[str, tuple[str, ...]]:
    """Title and flags of each group, each flag once."""
    groups, shown = {}, set()
    for title, names in _named_groups().items():
        groups[title] = tuple(name for name in dict.fromkeys(names) if name not in shown)
        shown.update(names)
    return groups


def _named_groups() -> dict[str, tuple[str, ...]]:
    """As `flag_groups`; a flag that stands in several is of the first."""
    return {
        "What to do, and where": _WHAT,
        "Data": ("dataset", "data_dir", "manual_dir", *names_of(DataConfig)),
        "Network": names_of(ModelConfig),
        "Training": names_of(TrainingConfig),
        "Pruning and rewinding": names_of(PruningConfig),
        "Seeds": names_of(SeedConfig),
        "Controls": ("controls", "control_levels", *names_of(BranchConfig), *branch_options()),
        "Analyses": (*analysis_options(), *_MATCHING),
        "Export": ("export_dir", *names_of(ExportConfig)),
        "Machine": ("jobs", "launcher", "launcher_options", *names_of(RunConfig)),
    }


def _takes(experiment: str, name: str) -> bool:
    if not is_of_use(name, experiment):
        return False
    if experiment == "list":
        return name in ("experiment", "workdir")
    if experiment == "verify":
        return name in ("experiment", "workdir", "run")
    if experiment == "reproduce":
        return name in ("experiment", "figure", "fraction", *TAKEN)
    if experiment == "report":
        return name in ("experiment", "run", "report_dir", *_MATCHING)
    if experiment == "export":
        return name in (*_OF_FOLLOWERS, "export_dir", *names_of(ExportConfig))
    if experiment in analysis_names():
        return name in _OF_FOLLOWERS or ANALYSES.find(experiment).takes(name)
    # What is of use to training is for it.
    return True


def described_flag(
    name: str, flag_values: flags.FlagValues = flags.FLAGS
) -> tuple[str, tuple[str, ...], str, str]:
    """How a flag is written, its choices, its default (empty: none), and what it does."""
    flag = flag_values[name]
    choices = tuple(getattr(flag.parser, "enum_values", None) or ())
    written = f"--[no]{name}" if flag.boolean else f"--{name}"
    unset = flag.default is None or flag.default in ("", [])
    default = "" if unset else str(flag.default_as_str).strip("'")
    text = flag.help.split(">: ", 1)[-1] if choices else flag.help
    return written, choices, default, " ".join(_OF_ABSL.sub("", text).split())


def _entries(names: Iterable[str], flag_values: flags.FlagValues) -> list[str]:
    lines = []
    for name in names:
        written, choices, default, text = described_flag(name, flag_values)
        listed = "|".join(choices)
        if len(listed) > _WIDTH // 2:
            text += f" Choose from {', '.join(choices)}."
            listed = ""
        value = "" if flag_values[name].boolean else f"={listed or '...'}"
        given = f" (default: {default})" if default else ""
        lines += textwrap.wrap(
            f"{written}{value}{given}", _WIDTH, initial_indent="  ", subsequent_indent="      "
        )
        indent = " " * 6
        lines += textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
    return lines


def completion_script(shell: str, flag_values: flags.FlagValues = flags.FLAGS) -> str:
    """A script for bash or zsh that completes flags, their choices and paths.

    Args:
      shell: a key of `_SHELLS`.
      flag_values: the defined flags.
    """
    names, cases = [], []
    for name in sorted({name for group in flag_groups().values() for name in group}):
        flag = flag_values[name]
        names += [f"--{name}", f"--no{name}"] if flag.boolean else [f"--{name}="]
        if choices := getattr(flag.parser, "enum_values", None):
            cases.append(f'    --{name}) choices="{" ".join(choices)}" ;;')
    names += ["--flagfile=", "--help"]
    return _SHELLS[shell].format(
        names=" ".join(names),
        with_value=" ".join(name for name in names if name.endswith("=")),
        without_value=" ".join(name for name in names if not name.endswith("=")),
        cases="\n".join(cases),
    )


_BASH = """\
_tf_lottery() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" flag="${{COMP_WORDS[COMP_CWORD-1]}}" choices=""
  # Bash splits --flag=value at the equals sign.
  if [[ "$word" == "=" ]]; then
    word=""
  elif [[ "$flag" == "=" ]]; then
    flag="${{COMP_WORDS[COMP_CWORD-2]}}"
  fi
  case "$flag" in
{cases}
  esac
  if [[ -n "$choices" ]]; then
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
  elif [[ "$word" == -* ]]; then
    COMPREPLY=($(compgen -W "{names}" -- "$word"))
    [[ "${{COMPREPLY[0]}}" == *= ]] && compopt -o nospace
  else
    COMPREPLY=($(compgen -f -- "$word"))
    compopt -o filenames
  fi
}}
complete -F _tf_lottery tf-lottery
"""
_ZSH = """\
_tf_lottery() {{
  local flag="${{words[CURRENT-1]}}" choices=""
  if compset -P '--*='; then
    flag="${{IPREFIX%=}}"
  fi
  case "$flag" in
{cases}
  esac
  if [[ -n "$choices" ]]; then
    compadd -- ${{=choices}}
  elif [[ "$PREFIX" == -* ]]; then
    compadd -S "" -- {with_value}
    compadd -- {without_value}
  else
    _files
  fi
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit -i }}
compdef _tf_lottery tf-lottery
"""
_SHELLS = {"bash": _BASH, "zsh": _ZSH}
