"""Programs that XLA has compiled on this machine, kept for later commands."""

import atexit
import hashlib
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from tf_lottery.store.atomic import write_text
from tf_lottery.store.seal import file_sha256

_VARIABLE = "TF_XLA_FLAGS"
_PROGRAMS = "xla_compile_cache__*.pb"
# Of the file beside a program that has its checksum.
_SUM = ".sha256"
# They have about 300 KB each.
_MOST = 300


def keep_compiled_programs() -> None:
    """Has TensorFlow keep what it compiles for the CPU, and take what it has compiled before.

    Networks without convolutions are compiled, which takes seconds. TensorFlow looks for the same
    program for the same devices, and not whether the processor or its own version is another, or
    whether a file is damaged: so there is a folder for each of those, in the user's folder for
    caches, and what is not as it was written is removed. Nothing is done where TensorFlow is
    imported already, where the environment variable TF_XLA_FLAGS is set, or where no such folder
    can be written. Linux alone, where it was tested.
    """
    if sys.platform != "linux" or "tensorflow" in sys.modules or _VARIABLE in os.environ:
        return
    try:
        folder = platformdirs.user_cache_path("tf_lottery") / "xla" / _of_this_machine()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours_alone(folder) or any(map(str.isspace, str(folder))):
            return
        remove_unsealed(folder)
    except (OSError, ImportError):
        return
    os.environ[_VARIABLE] = (
        f"--tf_xla_persistent_cache_directory={folder} --tf_xla_persistent_cache_device_types=CPU"
    )
    atexit.register(seal_programs, folder)


def seal_programs(folder: Path) -> None:
    """Writes the checksums of new programs: without one, none is used after the next restart."""
    with suppress(OSError):
        for program in folder.glob(_PROGRAMS):
            if not _sum_of(program).exists():
                write_text(_sum_of(program), file_sha256(program))


def remove_unsealed(folder: Path) -> None:
    """Removes programs that are not as they were written, and the oldest if there are many."""
    programs = sorted(folder.glob(_PROGRAMS), key=lambda path: path.stat().st_mtime, reverse=True)
    for place, program in enumerate(programs):
        if place >= _MOST or not _is_whole(program):
            program.unlink(missing_ok=True)
            _sum_of(program).unlink(missing_ok=True)


def _is_whole(program: Path) -> bool:
    try:
        return _sum_of(program).read_text(encoding="utf-8") == file_sha256(program)
    except FileNotFoundError:
        # A process that runs, or was killed, has written it; TensorFlow renames files that it has
        # written, so that only a machine that went down leaves a part of one.
        return program.stat().st_mtime > _start_of_this_machine()
    except (OSError, UnicodeDecodeError):
        return False


def _sum_of(program: Path) -> Path:
    return program.with_name(program.name + _SUM)


def _start_of_this_machine() -> float:
    lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("btime "))


def _of_this_machine() -> str:
    """A name for processor, TensorFlow and settings of XLA: what compiled code depends on."""
    about = [*_tensorflow_as_installed(), os.environ.get("XLA_FLAGS", "")]
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    about += sorted(
        {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    )
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _tensorflow_as_installed() -> list[str]:
    """Its name and version; the name may be tensorflow_cpu or tf_nightly, too."""
    spec = find_spec("tensorflow")
    found = Path(spec.origin).parents[1].glob("*.dist-info") if spec and spec.origin else ()
    return sorted(each.name for each in found if each.name.startswith(("tensorflow", "tf_nightly")))


def _is_ours_alone(folder: Path) -> bool:
    """Whether nobody else can have put a program there."""
    about = folder.stat()
    return about.st_uid == os.getuid() and not about.st_mode & 0o022
