"""Where in a user's own code an error arose, which refusals of the program do not show else."""

import sys
import sysconfig
import traceback
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")
_GENERATED = ("<", "__autograph_generated_file")


def told(error: BaseException, said: str | None = None) -> str:
    """What an error says; if it arose in a plug-in or network of the user's, also where.

    Args:
      error: that was raised.
      said: what is said in place of its own text.
    """
    text = str(error) if said is None else said
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_users(frame.filename)]
    if not own:
        return text
    return f"{text}\nIt arose in line {own[-1].lineno} of {own[-1].filename}."


@cache
def _is_users(name: str) -> bool:
    if Path(name).name.startswith(_GENERATED):
        return False
    others = [_PACKAGE, *(Path(sysconfig.get_path(kind)) for kind in _INSTALLED)]
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    file = Path(name).resolve()
    return not any(file.is_relative_to(folder) for folder in others) and (
        main is None or file != Path(main).resolve()
    )
