"""Images of an archive as PNG squares, converted by a pool of threads."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO

from ganfeat.data.archive import Archive
from ganfeat.data.pixels import Fit, decode, fit_square

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
    """`job.convert` of every name, in order, done by `workers` threads that run a little ahead.

    Pillow lets go of Python's lock while it decodes and resizes, so threads convert photographs
    as fast as processes would; and none of them can be killed while the others wait for it.
    """
    # About a megapixel a task: few messages for small images, little lost for large ones.
    size = max(1, min(16, 2**20 // job.resolution**2))
    pool = ThreadPoolExecutor(workers)
    ahead: deque[Future[list[Converted]]] = deque()
    try:
        for i in range(0, len(names), size):
            ahead.append(pool.submit(_convert, job, names[i : i + size]))
            # Never all at once: where the disk is slow, images would pile up in memory.
            if len(ahead) == 2 * workers:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _convert(job: Job, names: list[str]) -> list[Converted]:
    return [job.convert(name) for name in names]
