"""What this machine is and how it is set up for training."""

import ctypes
import logging
import os
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ganfeat.errors import UserError

log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def pick_device(wanted: str, processes: int = 1) -> str:
    """``cpu`` or ``cuda`` for auto, cpu or cuda.

    Raises:
        UserError: a GPU was asked for where there is none, or more processes than fit here.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise UserError(f"device={wanted} does not exist: choose auto, cpu or cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda, but this machine shows no GPU: use device=auto or device=cpu")
    device = "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"
    most = torch.cuda.device_count() if device == "cuda" else max(os.cpu_count() or 1, 2)
    if processes > most:
        what = "GPUs" if device == "cuda" else "cores"
        raise UserError(f"trainer.devices={processes}, but this machine has {most} {what}")
    return device


def keep_memory() -> bool:
    """Tell glibc to keep freed memory instead of handing every big tensor back to the kernel.

    Without it each operation faults its output in page by page: a training iteration on a CPU
    takes 1.1 to 1.7 times as long. The price is resident memory that stays at its peak. Does
    nothing, and returns False, where the C library is another one.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 256 * 2**20}
    return all(mallopt(option, value) == 1 for option, value in settings.items())


def prepare(device: str, threads: int | None, allocator: str) -> None:
    """Threads, allocator and convolution search, once per process.

    Raises:
        UserError: more threads than can be of use here, or no such setting of the allocator.
    """
    if allocator not in ("auto", "on", "off"):
        raise UserError(f"trainer.allocator={allocator} does not exist: choose auto, on or off")
    cores = os.cpu_count() or 1
    if threads is not None and threads > 4 * cores:
        raise UserError(f"threads={threads}, but this machine has {cores} cores: that would crawl")
    if threads is not None:
        torch.set_num_threads(threads)
    if (allocator == "on" or (allocator == "auto" and device == "cpu")) and not keep_memory():
        log.info("this C library has no mallopt: training is slower by a tenth or more")
    torch.backends.cudnn.benchmark = True
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()  # an earlier job of a sweep may have run in here


@contextmanager
def full_precision() -> Iterator[None]:
    """Convolutions and products in fp32 to the last bit: TF32 changes a PPL many times over."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = False
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def has_fast_bf16(device: str) -> bool:
    """Whether bfloat16 is faster than fp32 here."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe and probe())


def describe(device: str) -> dict[str, object]:
    """The machine as plain data for a run's record."""
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else processor(),
        "instructions": None if device == "cuda" else torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),  # plain: it stands in checkpoints, too
        "python": platform.python_version(),
        "system": platform.system(),
    }


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def peak_memory() -> int:
    """The most bytes held: on the GPU since `prepare`, else resident in this process ever."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0:
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
