"""Writes docs/flags.md, all flags in one page, from the flags themselves."""

import re
from pathlib import Path

from absl import flags

from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.help_page import described_flag, flag_groups

PAGE = Path(__file__).with_name("flags.md")

_INTRODUCTION = """# All flags

Made by `make docs` from the flags themselves; `tf-lottery --help` prints the same in a terminal,
and `tf-lottery --experiment=NAME --help` those of one experiment. `tf-lottery` is `python main.py`
in a clone. Lengths of training are written `500it` or `500` (iterations), `2ep` (epochs) or `1%`
(of the whole). A flag that is on or off is written `--nesterov` or `--nonesterov`.

What is typed most:

```
tf-lottery configs                                    # the settings that are there already
tf-lottery --flagfile=paper/lth_lenet_mnist.cfg --data_dir=DATA
tf-lottery --flagfile=paper/lth_lenet_mnist.cfg --data_dir=DATA --levels=25       # to go on
tf-lottery --model=lenet_30_10 --levels=5 --name=small --replicates=1-3
tf-lottery --model=lenet_30_10 --levels=5 --name=steps --sweep=rewind_step:0it,100it,500it
tf-lottery --experiment=list
tf-lottery --experiment=branch --run=runs/small --branch=random_mask,random_reinitialization
tf-lottery --experiment=instability --run=runs/small --levels=0,4
tf-lottery --experiment=report --run=runs/small
tf-lottery --experiment=export --run=runs/small
```

A dash in the column of defaults stands for "unset"; the last column says what that means."""


def flags_markdown() -> str:
    """The page: a table for each group of flags."""
    values = flags.FlagValues()
    define_flags(values)
    parts = [_INTRODUCTION]
    for title, names in flag_groups().items():
        rows = [_row(name, values) for name in names]
        parts.append("\n".join([f"## {title}\n", "| flag | default | |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _row(name: str, values: flags.FlagValues) -> str:
    written, choices, default, text = described_flag(name, values)
    if choices:
        text += f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    shown = f"`{default}`" if default else "-"
    return f"| `{written}` | {shown} | {_as_cell(text)} |"


def _as_cell(text: str) -> str:
    """A text in which no sign but a flag's is taken for Markdown."""
    parts = re.split(r"(`[^`]*`|--\w+(?:=[\w.]*\w)?)", text)
    return "".join(_as_code(part) if at % 2 else _escaped(part) for at, part in enumerate(parts))


def _as_code(part: str) -> str:
    return part if part.startswith("`") else f"`{part}`"


def _escaped(part: str) -> str:
    part = re.sub(r"([\\*_\[\]])", r"\\\1", part)
    return part.replace("<", "&lt;").replace("|", "&#124;")


if __name__ == "__main__":
    PAGE.write_text(flags_markdown(), encoding="utf-8")
