"""How fast the networks train here, beside what this machine could do.

Every time is a fraction of the convolution peak that is measured in the same run, so that two
machines, or two days, can be compared. Work is counted as two operations per multiply-add; one
iteration of lazy training costs 4.75 G + 8.4 D (Gmain 3G + 2D, Dmain G + 6D, and the shares of the
path length and R1 phases).
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import torch
from pytorch_lightning import Trainer
from torch import Tensor
from torch.nn import functional as F

from ganfeat.backbone import Discriminator, Generator
from ganfeat.build import build
from ganfeat.config import compose
from ganfeat.data import SynthFaces
from ganfeat.encoders.ghfeat import GHFeat
from ganfeat.generators.hsr import HSR
from ganfeat.generators.stylegan2 import StyleGAN2
from ganfeat.navigators.contrafeat import ContraFeat
from ganfeat.training.method import Method, Phase
from ganfeat.training.setup import make_data, make_method

GFLOP = {32: (8.0, 8.2), 64: (15.3, 15.8), 256: (30.1, 31.1)}
BATCH = {"cpu": {32: 8, 64: 8, 256: 4}, "cuda": {32: 64, 64: 64, 256: 32}}
PEAK_SHAPES = ((512, 16), (512, 32), (512, 64), (256, 64))  # channels, pixels a side
REPEATS = 5
ROUNDS = 7  # of what takes turns
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
    """Seconds of a lazy iteration of plain StyleGAN2."""
    method = TimedStyleGAN2(g, d, batch_size=len(images), seed=0, r1_interval=4)
    return seconds_of(method, bench, images)


def seconds_of(method: "Timed", bench: Bench, images: Tensor) -> float:
    """Seconds of a lazy iteration: each phase's median, the first time left out, over its interval.

    Path length counts a quarter and R1 a sixteenth, as StyleGAN2 runs them; while measuring, R1
    runs every 4th time too.
    """
    found = times_of(method, bench, images, ITERATIONS)
    times = {name: statistics.median(t[1:] or t) for name, t in found.items()}
    return times["Gmain"] + times["Gpl"] / 4 + times["Dmain"] + times["Dr1"] / 16 + times["end"]


def times_of(method: "Timed", bench: Bench, images: Tensor, steps: int) -> dict[str, list[float]]:
    """Seconds of each phase of so many iterations, and of what ends each."""
    method.bench, method.times = bench, defaultdict(list)
    trainer = Trainer(
        accelerator="gpu" if bench.device == "cuda" else "cpu",
        devices=1,
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(method, train_dataloaders=Repeat({"image": images}))
    return method.times


class Repeat:
    """One batch, for ever."""

    def __init__(self, batch: dict[str, Tensor]) -> None:
        self.batch = batch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            yield self.batch


class Timed(Method):
    """A method that notes how long each phase and the end of an iteration take."""

    bench: Bench
    times: dict[str, list[float]]

    def _run_phase(self, phase: Phase, *args: Any, **options: Any) -> None:
        started = self.bench.now()
        super()._run_phase(phase, *args, **options)
        self.times[phase.name].append(self.bench.now() - started)

    def end_iteration(self) -> None:
        """The weight average."""
        started = self.bench.now()
        super().end_iteration()
        self.times["end"].append(self.bench.now() - started)


class TimedStyleGAN2(Timed, StyleGAN2):
    """StyleGAN2 that notes its times."""


class TimedHSR(Timed, HSR):
    """HSR that notes its times."""


class TimedGHFeat(Timed, GHFeat):
    """GH-Feat that notes its times."""


class TimedContraFeat(Timed, ContraFeat):
    """ContraFeat that notes its times."""


def ghfeat_speed(bench: Bench) -> float:
    """Images per second of ``ghfeat_synthfaces``, without data and logging.

    R1 is part of D's phase, so a whole cycle of it is timed.
    """
    method, images = timed_preset("ghfeat_synthfaces", TimedGHFeat, bench)
    return cycle_speed(method, bench, images, cast(GHFeat, method).r1_interval)


def contrafeat_speed(bench: Bench, experiment: str) -> float:
    """Start codes per second of a preset of ContraFeat, without logging."""
    method, images = timed_preset(experiment, TimedContraFeat, bench)
    return cycle_speed(method, bench, images, ITERATIONS)


def cycle_speed(method: Timed, bench: Bench, images: Tensor, cycle: int) -> float:
    """Images per second over so many iterations, after one that is not counted."""
    times = times_of(method, bench, images, 1 + cycle)
    return cycle * len(images) / sum(sum(t[1:]) for t in times.values())


def timed_preset(
    experiment: str, kind: type[Timed], bench: Bench, *overrides: str
) -> tuple[Timed, Tensor]:
    """The method of a preset as one that notes its times, and a batch of noise for it."""
    config = compose([f"experiment={experiment}", *overrides])
    config["method"]["_target_"] = f"{__name__}.{kind.__name__}"
    method = make_method(config, make_data(config), bench.device).to(bench.device)
    side = config["data"]["resolution"]
    images = torch.randn(config["batch_size"], 3, side, side, device=bench.device)
    return cast(Timed, method), images


def hsr_cost(bench: Bench) -> dict[str, float]:
    """How much longer an iteration of ``hsr_synthfaces`` takes than one without heads and teacher.

    The two take turns, and each round begins with the other one; ratios are those of one round.
    """
    ways = {"hsr": 1.0, "plain": 0.0}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(ROUNDS):
        for name in list(ways)[:: 1 - 2 * (i % 2)]:
            line = [f"method.weight={ways[name]}", "method.r1_interval=4"]
            method, images = timed_preset("hsr_synthfaces", TimedHSR, bench, *line)
            seconds[name].append(seconds_of(method, bench, images))
    ratios = [a / b for a, b in zip(seconds["hsr"], seconds["plain"], strict=True)]
    return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


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
