"""Compressed archives whose bytes depend on nothing but the content."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import BinaryIO


class _ByteCounter(io.RawIOBase):
    """Counts what is written to it, and keeps nothing."""

    count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self.count += len(data)
        return len(data)


def write_archive(source: Path, file: BinaryIO | io.RawIOBase) -> None:
    """Writes a .tar.gz, compressed as by `gzip -9`, without times, owners and permissions.

    Args:
      source: a file or a folder. A folder's content is archived in the order of the names, under
        the folder's name.
      file: is written to.
    """
    with (
        gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in [source, *sorted(source.rglob("*"))]:
            name = Path(source.name) / path.relative_to(source)
            archive.add(path, str(name), recursive=False, filter=_anonymous)


def compressed_bytes(source: Path) -> int:
    """Bytes of a file or a folder as a .tar.gz."""
    counter = _ByteCounter()
    write_archive(source, counter)
    return counter.count


def bytes_on_disk(source: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(path.stat().st_size for path in [source, *source.rglob("*")] if path.is_file())


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() else 0o644
    return member
