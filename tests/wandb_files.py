"""What an offline run of wandb has left, read back from its file.

The file is a log of LevelDB's format behind a header of wandb's: blocks of 32 KiB, in them pieces
of records with a checksum, a length and whether they are whole, the first, a middle or the last.
"""

import json
import struct
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

BLOCK, HEADER = 32768, 7
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path) -> list[bytes]:
    """The records of a ``.wandb`` file."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    found, parts, place = [], b"", HEADER
    while place + HEADER <= len(data):
        if (rest := BLOCK - place % BLOCK) < HEADER:  # the end of a block is empty
            place += rest
            continue
        checksum, length, kind = struct.unpack("<IHB", data[place : place + HEADER])
        if kind == 0:
            break
        body = data[place + HEADER : place + HEADER + length]
        assert checksum == zlib.crc32(bytes([kind]) + body)
        place += HEADER + length
        parts += body
        if kind in (WHOLE, LAST):
            found.append(parts)
            parts = b""
    return found


class Read(NamedTuple):
    """A run of wandb.

    Attributes:
        run: its first record: project, group, job_type, tags.
        config: its settings.
        history: everything that was logged, in order.
        summary: last values.
        artifacts: names and types.
        defined: names of metrics and what they are drawn over.
        files: the folder of its media.
    """

    run: Any
    config: dict[str, Any]
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    artifacts: list[Any]
    defined: dict[str, str]
    files: Path


def read(folder: Path) -> Read:
    """The offline run in ``folder``, once it has been written to its end."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    until = time.monotonic() + 30  # a process of wandb's own writes it
    while True:
        parsed = []
        for data in records(path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            parsed.append(record)
        if any(r.WhichOneof("record_type") == "exit" for r in parsed) or time.monotonic() > until:
            break
        time.sleep(0.2)
    found = Read(None, {}, [], {}, [], {}, folder / "files")
    run = None
    for record in parsed:
        match record.WhichOneof("record_type"):
            case "run":
                run = run or record.run
                found.config.update(_items(record.run.config.update))
            case "config":
                found.config.update(_items(record.config.update))
            case "history":
                found.history.append(_items(record.history.item))
            case "summary":
                found.summary.update(_items(record.summary.update))
            case "artifact":
                found.artifacts.append(record.artifact)
            case "request" if record.request.WhichOneof("request_type") == "log_artifact":
                found.artifacts.append(record.request.log_artifact.artifact)
            case "metric":
                name = record.metric.name or record.metric.glob_name
                found.defined[name] = record.metric.step_metric
    return found._replace(run=run)


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
