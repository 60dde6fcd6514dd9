"""How fast the networks are here, beside what this machine could do: ``make bench``.

Every time is a fraction of the convolution peak that is measured in the same run, so that two
machines, or two days, can be compared. Work is counted as two operations per multiply-add; one
iteration of lazy training costs 4.75 G + 8.4 D (Gmain 3G + 2D, Dmain G + 6D, and the shares of the
path length and R1 phases).
"""

import argparse
import json
import logging
import os
import statistics
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor
from torch.nn import functional as F

from ganfeat.backbone import Discriminator, Generator
from ganfeat.build import build
from ganfeat.config import compose
from ganfeat.data import SynthFaces
from ganfeat.errors import UserError
from ganfeat.files import atomic_write
from ganfeat.generators.stylegan2 import StyleGAN2
from ganfeat.training import machine
from ganfeat.training.method import Phase

GFLOP = {32: (8.0, 8.2), 64: (15.3, 15.8), 256: (30.1, 31.1)}
BATCH = {"cpu": {32: 8, 64: 8, 256: 4}, "cuda": {32: 64, 64: 64, 256: 32}}
PEAK_SHAPES = ((512, 16), (512, 32), (512, 64), (256, 64))  # channels, pixels a side
REPEATS = 5
ITERATIONS = 9  # while measuring, both regularisers run every 4th time: 3 times


class Bench:
    """One device, its peaks, and the rows measured on it."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.peaks: dict[str, float] = {}
        self.rows: list[dict[str, Any]] = []

    def seconds(self, work: Callable[[], object], repeats: int = REPEATS) -> float:
        """The median time that ``work`` takes, after one call that is not counted."""
        work()
        times = []
        for _ in range(repeats):
            started = self.now()
            work()
            times.append(self.now() - started)
        return statistics.median(times)

    def now(self) -> float:
        """The clock, once the device has done what it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def peak(self, dtype: torch.dtype) -> float:
        """The best GFLOP/s of 3x3 convolutions, channels last, as GANs have them."""
        best = 0.0
        for width, side in PEAK_SHAPES:
            x = torch.randn(8, width, side, side, dtype=dtype, device=self.device)
            x = x.contiguous(memory_format=torch.channels_last)
            kernel = torch.randn(width, width, 3, 3, dtype=dtype, device=self.device)
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            seconds = self.seconds(partial(F.conv2d, x, kernel, padding=1))
            best = max(best, 2 * 9 * width**2 * side**2 * 8 / seconds / 1e9)
        return best

    def row(self, what: str, resolution: int, precision: str, seconds: float) -> None:
        """Record and print one line."""
        g, d = GFLOP[resolution]
        work = {"G forward": g, "D forward": d, "iteration": 4.75 * g + 8.4 * d}[what]
        images_per_s = BATCH[self.device][resolution] / seconds
        row = {
            "what": what,
            "resolution": resolution,
            "precision": precision,
            "seconds": seconds,
            "images_per_s": images_per_s,
            "fraction_of_peak": work * images_per_s / self.peaks[precision],
        }
        self.rows.append(row)
        print(
            f"{what:10} {resolution:5} px  {precision}  {seconds:8.3f} s  {images_per_s:8.2f} "
            f"images/s  {1000 / images_per_s:8.2f} s/kimg  {row['fraction_of_peak']:6.1%} of peak",
            flush=True,
        )


def networks(resolution: int, precision: str, device: str) -> tuple[Generator, Discriminator]:
    """G and D of the paper's 256 px size (channel_base 16384) at ``resolution``."""
    bf16 = 0 if precision == "fp32" else 4
    g = Generator(resolution, channel_base=16384, num_bf16_res=bf16)
    d = Discriminator(resolution, channel_base=16384, num_bf16_res=bf16)
    return g.to(device), d.to(device)


def time_networks(bench: Bench, resolution: int, precision: str) -> None:
    """Forward passes, then training iterations."""
    n = BATCH[bench.device][resolution]
    g, d = networks(resolution, precision, bench.device)
    z = torch.randn(n, g.z_dim, device=bench.device)
    images = torch.randn(n, 3, resolution, resolution, device=bench.device)
    with torch.no_grad():
        bench.row("G forward", resolution, precision, bench.seconds(lambda: g(z)))
        bench.row("D forward", resolution, precision, bench.seconds(lambda: d(images)))
    bench.row("iteration", resolution, precision, time_iteration(bench, g, d, images))


def time_iteration(bench: Bench, g: Generator, d: Discriminator, images: Tensor) -> float:
    """Seconds of a lazy iteration: each phase's median, the first time left out, over its interval.

    Path length counts a quarter and R1 a sixteenth, as StyleGAN2 runs them.
    """
    method = Timed(bench, g, d, batch_size=len(images), seed=0, r1_interval=4)
    trainer = Trainer(
        accelerator="gpu" if bench.device == "cuda" else "cpu",
        devices=1,
        max_steps=ITERATIONS,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, train_dataloaders=Repeat({"image": images}))
    times = {name: statistics.median(t[1:] or t) for name, t in method.times.items()}
    return times["Gmain"] + times["Gpl"] / 4 + times["Dmain"] + times["Dr1"] / 16 + times["end"]


class Repeat:
    """One batch, for ever."""

    def __init__(self, batch: dict[str, Tensor]) -> None:
        self.batch = batch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            yield self.batch


class Timed(StyleGAN2):
    """StyleGAN2 that notes how long each phase and the end of an iteration take."""

    def __init__(self, bench: Bench, *networks: Any, **options: Any) -> None:
        super().__init__(*networks, **options)
        self.bench = bench
        self.times: dict[str, list[float]] = defaultdict(list)

    def _run_phase(self, phase: Phase, *args: Any, **options: Any) -> None:
        started = self.bench.now()
        super()._run_phase(phase, *args, **options)
        self.times[phase.name].append(self.bench.now() - started)

    def end_iteration(self) -> None:
        """The weight average."""
        started = self.bench.now()
        super().end_iteration()
        self.times["end"].append(self.bench.now() - started)


def embedded_speed(bench: Bench, experiment: str) -> float:
    """Images per second of an embedded preset's iteration, without data and logging."""
    config = compose([f"experiment={experiment}"])
    resolution = config["data"]["resolution"]
    g, d = (build(node, resolution=resolution) for node in config["backbone"].values())
    images = torch.randn(config["batch_size"], 3, resolution, resolution, device=bench.device)
    return len(images) / time_iteration(bench, g.to(bench.device), d.to(bench.device), images)


def renderer_speed(bench: Bench, resolution: int) -> float:
    """SynthFaces drawn per second, pictures alone, 256 at a time."""
    faces = SynthFaces(resolution=resolution)
    faces.device = torch.device(bench.device)
    return 256 / bench.seconds(lambda: faces.__getitems__(list(range(256))))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ganfeat.bench", description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args(argv)
    try:
        with atomic_write(arguments.out) as file:  # minutes go by before it is needed
            file.write(b"{}\n")
        measure(arguments.device, arguments.out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def measure(device: str, out: Path) -> None:
    """Measure everything, print it, and write it to ``out``."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    bench = Bench(machine.pick_device(device))
    machine.prepare(bench.device, None, "auto")
    about = machine.describe(bench.device)
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"this machine is busy (load {load:.1f}): the figures below are too low")
    precisions = {"fp32": torch.float32}
    if machine.has_fast_bf16(bench.device):
        precisions["bf16"] = torch.bfloat16
    for precision, dtype in precisions.items():
        bench.peaks[precision] = bench.peak(dtype)
        print(f"convolution peak {precision}: {bench.peaks[precision]:.0f} GFLOP/s")
    for resolution in GFLOP:
        for precision in precisions:
            time_networks(bench, resolution, precision)
    presets = {
        name: embedded_speed(bench, name)
        for name in ("stylegan2_synthfaces", "stylegan2_synthfaces_64")
    }
    renderer = {str(side): renderer_speed(bench, side) for side in (32, 64)}
    for name, value in presets.items():
        print(f"{name}: {value:.1f} images/s of training")
    for side, value in renderer.items():
        print(f"SynthFaces at {side} px: {value:.0f} images/s drawn")
    memory = machine.peak_memory()
    print(f"peak memory {memory / 2**30:.1f} GiB")
    result = {
        "machine": about,
        "peak_gflops": bench.peaks,
        "rows": bench.rows,
        "presets_images_per_s": presets,
        "renderer_images_per_s": renderer,
        "peak_memory": memory,
    }
    with atomic_write(out) as file:
        file.write((json.dumps(result, indent=1) + "\n").encode())
    print(f"written to {out}")


if __name__ == "__main__":
    sys.exit(main())
