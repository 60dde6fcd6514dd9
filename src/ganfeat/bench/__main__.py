"""The command ``python -m ganfeat.bench``: measures everything and writes it to a file."""

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from ganfeat.bench import metrics, training
from ganfeat.errors import UserError
from ganfeat.files import atomic_write
from ganfeat.training import machine


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
    bench = training.Bench(machine.pick_device(device))
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
    for resolution in training.GFLOP:
        for precision in precisions:
            training.time_networks(bench, resolution, precision)
    presets = {
        name: training.embedded_speed(bench, name)
        for name in ("stylegan2_synthfaces", "stylegan2_synthfaces_64")
    }
    presets["ghfeat_synthfaces"] = training.ghfeat_speed(bench)
    renderer = {str(side): training.renderer_speed(bench, side) for side in (32, 64)}
    for name, value in presets.items():
        print(f"{name}: {value:.1f} images/s of training")
    for side, value in renderer.items():
        print(f"SynthFaces at {side} px: {value:.0f} images/s drawn")
    cost = training.hsr_cost(bench)
    print(
        f"an iteration of hsr_synthfaces takes {cost['median']:.2f} times as long as without its "
        f"heads ({cost['least']:.2f} to {cost['most']:.2f})"
    )
    against = metrics.compare(bench)
    memory = machine.peak_memory()
    print(f"peak memory {memory / 2**30:.1f} GiB")
    result = {
        "machine": about,
        "peak_gflops": bench.peaks,
        "rows": bench.rows,
        "presets_images_per_s": presets,
        "renderer_images_per_s": renderer,
        "hsr_cost": cost,
        "metrics": against,
        "peak_memory": memory,
    }
    with atomic_write(out) as file:
        file.write((json.dumps(result, indent=1) + "\n").encode())
    print(f"written to {out}")


if __name__ == "__main__":
    sys.exit(main())
