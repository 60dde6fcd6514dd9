"""A zip that is written entry by entry and can be gone on with after any interruption."""

import fcntl
import os
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from ganfeat.errors import UserError


class GrowingZip:
    """An unfinished zip, without compression: whole entries in a row, no directory yet.

    Opening one again keeps every entry that is whole, by its checksum, and cuts off what a kill or
    a full disk left behind them. The same entries give the same bytes, interrupted or not: times
    are fixed. Only one process at a time can have it open.

    Attributes:
        names: of the entries so far.
        first: content of the first entry, empty if there is none.

    Raises:
        UserError: another process is writing it.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise UserError(f"{path} is being written by another process: wait for it") from error
        self.first = b""
        self._entries: list[zipfile.ZipInfo] = []
        while self._read_entry():
            pass
        if not self._entries and os.path.getsize(path) > 0 and not self._begun():
            self._file.close()
            raise UserError(f"{path} is not ours, and would be overwritten: move it away")
        self.cut(len(self._entries))

    @property
    def names(self) -> list[str]:
        """See the class."""
        return [entry.filename for entry in self._entries]

    def add(self, name: str, data: bytes) -> None:
        """Append an entry; once this returns, killing the process does not lose it."""
        entry = _entry(name, data, self._file.tell())
        self._file.write(entry.FileHeader())
        self._file.write(data)
        self._file.flush()
        self._append(entry, data)

    def cut(self, count: int) -> None:
        """Keep only the first `count` entries."""
        del self._entries[count:]
        end = 0
        if self._entries:
            last = self._entries[-1]
            end = last.header_offset + len(last.FileHeader()) + last.file_size
        self._file.seek(end)
        self._file.truncate()

    def finish(self, path: Path) -> None:
        """Write the directory and put the zip in the place of `path`, at once."""
        # Mode "a" takes what is no zip yet as something to append to, here only a directory.
        with zipfile.ZipFile(self._file, "a") as whole:
            whole.filelist = self._entries
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(self.path, path)

    def close(self) -> None:
        """Close the file; what it holds stays."""
        with suppress(OSError):  # a full disk was reported by `add`
            self._file.close()

    def _begun(self) -> bool:
        """Whether what there is may be the beginning of a first entry of ours."""
        self._file.seek(0)
        return b"PK\3\4".startswith(self._file.read(4))

    def _append(self, entry: zipfile.ZipInfo, data: bytes) -> None:
        self.first = self.first if self._entries else data
        self._entries.append(entry)

    def _read_entry(self) -> bool:
        """Take in the entry at the file's position; False if there is no whole one."""
        offset = self._file.tell()
        header = self._file.read(30)
        if len(header) < 30 or not header.startswith(b"PK\3\4"):
            return False
        crc, _, size, name_length = struct.unpack_from("<3LH", header, 14)
        name, data = self._file.read(name_length), self._file.read(size)
        if len(data) < size or zlib.crc32(data) != crc:
            return False
        self._append(_entry(name.decode(), data, offset), data)
        return True


def _entry(name: str, data: bytes, offset: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # dated 1980, the earliest that a zip can say
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = 0o644 << 16
    entry.header_offset = offset
    entry.CRC = zlib.crc32(data)
    entry.file_size = entry.compress_size = len(data)
    return entry
