"""Images of an archive as PNG squares, converted by a pool of processes."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from io import BytesIO

from ganfeat.data.archive import Archive
from ganfeat.data.pixels import Fit, decode, fit_square
from ganfeat.errors import UserError

Converted = bytes | str  # a PNG, or why the image cannot be read


@dataclass(frozen=True)
class Job:
    """What is to be done with every image of `archive`."""

    archive: Archive
    resolution: int
    fit: Fit

    def convert(self, name: str) -> Converted:
        """The image `name` as an uncompressed RGB PNG without any metadata."""
        try:
            image = fit_square(decode(self.archive.read(name)), self.resolution, self.fit)
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
            return str(error) or type(error).__name__
        image.info.clear()
        png = BytesIO()
        image.save(png, "PNG", compress_level=0)
        return png.getvalue()


def convert_all(job: Job, names: list[str], workers: int) -> Generator[Converted, None, None]:
    """`job.convert` of every name, in order, done by `workers` processes that run a little ahead.

    Raises:
        UserError: a worker was killed.
    """
    # About a megapixel a task: few messages for small images, little lost for large ones.
    size = max(1, min(16, 2**20 // job.resolution**2))
    tasks = (names[i : i + size] for i in range(0, len(names), size))
    pool = ProcessPoolExecutor(workers, initializer=_start_worker, initargs=(job,))
    ahead: deque[Future[list[Converted]]] = deque()
    try:
        for task in tasks:
            ahead.append(pool.submit(_work, task))
            # Never all at once: where the disk is slow, images would pile up in memory.
            if len(ahead) == 2 * workers:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, most often as memory ran out: "
            "run the same command again to go on, with fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_job: Job  # in worker processes


def _start_worker(job: Job) -> None:
    global _job
    _job = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's affair
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed main process must not leave its workers waiting forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(names: list[str]) -> list[Converted]:
    return [_job.convert(name) for name in names]
