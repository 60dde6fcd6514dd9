"""A folder, a zip or an LSUN LMDB of images, read through one interface.

Nothing is extracted and nothing stays open between processes: an archive can be pickled, and a
forked worker may go on reading. Names use "/" and are sorted by their key (the path without the
image suffix), so that a folder of jpg and the zip of png made from it list the same images in the
same order.
"""

import hashlib
import os
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ganfeat.errors import UserError
from ganfeat.files import expanded

# A list of our own, not Pillow's: which files count as images, and hence every index, subset and
# part, must not change with the version of a library.
IMAGE_SUFFIXES = frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm",
    ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".sgi", ".tga", ".tif", ".tiff", ".webp",
})  # fmt: skip


def open_archive(path: str | os.PathLike[str]) -> "Archive":
    """List the images of a folder, a zip or a folder that holds an LMDB.

    Raises:
        UserError: the path is missing, is none of the three, or holds no image.
    """
    if not os.fspath(path):
        raise UserError("no path of data was given: expected a folder or a zip of images")
    path = expanded(path)
    if not path.exists():
        raise UserError(f"{path} does not exist: give the path of a folder or a zip of images")
    try:
        if path.is_file():
            archive: Archive = ZipArchive(path)
        elif (path / "data.mdb").is_file():
            archive = LmdbArchive(path)
        else:
            archive = FolderArchive(path)
    except OSError as error:
        where = error.filename or path
        raise UserError(f"cannot read {where}: {error.strerror}") from error
    if not archive.images:
        raise UserError(
            f"{path} holds no images: expected files such as .jpg or .png in it or in its folders"
        )
    return archive


def image_key(name: str) -> str:
    """The name without its image suffixes, the same on every file system ("a.jpg.png" -> "a")."""
    key = unicodedata.normalize("NFC", name)  # macOS decomposes accents
    while True:
        stem, suffix = os.path.splitext(key)
        if suffix.lower() not in IMAGE_SUFFIXES:
            return key
        key = stem


def sha256_of(blocks: Iterable[bytes]) -> str:
    """The SHA-256 of blocks, one after the other."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


class Archive(ABC):
    """Images by name.

    Attributes:
        path: where it is.
        images: the names, sorted by key. Dotfiles, macOS junk and other files are left out.
        keys: one per name, without suffix and without leading folders that all images share.
        labels_file: the name of NVIDIA's `dataset.json`, where there is one.
    """

    def __init__(self, path: Path, images: Iterable[str], others: Iterable[str] = ()) -> None:
        pairs = sorted((image_key(name), name) for name in images)
        root = _shared_folder([key for key, _ in pairs])
        self.path = path
        self.images = [name for _, name in pairs]
        self.keys = [key.removeprefix(root) for key, _ in pairs]
        # Only a dataset.json above all images speaks for them.
        root = _shared_folder(self.images)
        above = [n for n in others if n.split("/")[-1] == "dataset.json"]
        above = [n for n in above if root.startswith(n.removesuffix("dataset.json"))]
        self.labels_file = min(above, key=len, default=None)

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The file's content. Raises OSError where it is damaged or gone."""

    @abstractmethod
    def size(self, name: str) -> int:
        """The file's size in bytes."""

    def stamp(self, name: str) -> str:
        """What changes when the file does, as far as that is known without reading it."""
        return str(self.size(name))


class FolderArchive(Archive):
    """Every image below a folder; links to folders are followed."""

    def __init__(self, path: Path) -> None:
        names = {_writable(name): name for name in _walk(path)}
        self._unwritable = {name: real for name, real in names.items() if name != real}
        super().__init__(path, *_split(names))

    def read(self, name: str) -> bytes:
        """See `Archive.read`."""
        return self._file(name).read_bytes()

    def size(self, name: str) -> int:
        """See `Archive.size`; of a link that leads nowhere, its own."""
        return self._stat(name).st_size

    def stamp(self, name: str) -> str:
        """See `Archive.stamp`: size and time."""
        found = self._stat(name)
        return f"{found.st_size} {found.st_mtime_ns}"

    def _stat(self, name: str) -> os.stat_result:
        file = self._file(name)
        return os.stat(file, follow_symlinks=os.path.exists(file))

    def _file(self, name: str) -> Path:
        return self.path / self._unwritable.get(name, name)


class _Entry(NamedTuple):
    offset: int
    stored: int
    size: int
    crc: int
    method: int


class ZipArchive(Archive):
    """A zip, stored or deflated, read at the offsets of its central directory.

    `zipfile` takes four times as long for a small image, and its file position cannot be shared
    with forked workers; `os.pread` has no position.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO | None = None
        try:
            with zipfile.ZipFile(path) as file:
                infos = [info for info in file.infolist() if not info.is_dir()]
        except zipfile.BadZipFile as error:
            raise UserError(
                f"{path} is no zip, or it is cut short: expected a folder or a whole zip of images"
            ) from error
        for info in infos:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise UserError(f"{path} uses a rare compression: zip it again with `zip -r -0`")
            if info.flag_bits & 1:
                raise UserError(f"{path} is encrypted: zip it again without a password")
        self._entries = {
            i.filename: _Entry(
                i.header_offset, i.compress_size, i.file_size, i.CRC, i.compress_type
            )
            for i in infos
        }
        super().__init__(path, *_split(self._entries))

    def read(self, name: str) -> bytes:
        """See `Archive.read`."""
        opened = self._file  # a name of this thread's own keeps it open
        if opened is None:
            opened = self._file = self.path.open("rb")
        file, entry = opened.fileno(), self._entries[name]
        # The local header repeats name and extra field, whose length may differ from the
        # directory's; both lengths stand in its last four bytes.
        header = os.pread(file, 30, entry.offset)
        skip = 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:], "little")
        data = os.pread(file, entry.stored, entry.offset + skip)
        if entry.method == zipfile.ZIP_DEFLATED:
            try:
                data = zlib.decompress(data, -15)
            except zlib.error as error:
                raise OSError(str(error)) from error
        if len(data) != entry.size or zlib.crc32(data) != entry.crc:
            raise OSError("damaged inside the zip: its checksum is wrong")
        return data

    def size(self, name: str) -> int:
        """See `Archive.size`."""
        return self._entries[name].size

    def stamp(self, name: str) -> str:
        """See `Archive.stamp`: size and checksum."""
        return f"{self._entries[name].size} {self._entries[name].crc:08x}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}


class LmdbArchive(Archive):
    """An LSUN database: keys to encoded images, without folders or labels."""

    def __init__(self, path: Path) -> None:
        self._env: Any = None
        self._pid = 0
        self.path = path
        with self._begin() as reader:
            self._sizes = {k.decode("latin-1"): len(value) for k, value in reader.cursor()}
        super().__init__(path, self._sizes)

    def read(self, name: str) -> bytes:
        """See `Archive.read`."""
        with self._begin() as reader:
            data = reader.get(name.encode("latin-1"))
        if data is None:
            raise OSError("gone from the database")
        return bytes(data)

    def size(self, name: str) -> int:
        """See `Archive.size`."""
        return self._sizes[name]

    def _begin(self) -> Any:
        if self._pid != os.getpid():  # an environment must not cross a fork
            if self._env is not None:
                self._env.close()
            try:
                import lmdb
            except ImportError as error:
                raise UserError(
                    f"{self.path} is an LMDB: run `pip install ganfeat[lmdb]` to read it"
                ) from error
            try:
                self._env = lmdb.open(
                    str(self.path), readonly=True, lock=False, readahead=False, meminit=False
                )
            except lmdb.Error as error:
                raise UserError(f"{self.path} is no readable LMDB: {error}") from error
            self._pid = os.getpid()
        return self._env.begin()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_env": None, "_pid": 0}


def _walk(root: Path) -> Iterable[str]:
    def stop(error: OSError) -> None:
        raise error

    seen = set()
    for folder, subfolders, files in os.walk(root, onerror=stop, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back up
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(s for s in subfolders if not _is_junk(s))
        prefix = Path(folder).relative_to(root).as_posix() + "/"
        yield from ((prefix + file).removeprefix("./") for file in files)


def _writable(name: str) -> str:
    """The name as UTF-8 can write it: old disks have names in other encodings."""
    return name.encode("utf-8", "xmlcharrefreplace").decode()


def _split(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """(images, other files), without junk."""
    images: list[str] = []
    others: list[str] = []
    for name in names:
        if not any(_is_junk(part) for part in name.split("/")):
            suffix = os.path.splitext(name)[1].lower()
            (images if suffix in IMAGE_SUFFIXES else others).append(name)
    return images, others


def _is_junk(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _shared_folder(names: list[str]) -> str:
    """The folder that holds all names, as "" or "a/b/"."""
    # Character by character is meant: what follows the last "/" falls away.
    folder = os.path.commonprefix(names).rpartition("/")[0]  # noqa: RUF071
    return f"{folder}/" if folder else ""
