"""The command ``python -m ganfeat.bench``: measures speed and writes it to a file, part by part."""

import argparse
import json
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ganfeat.bench import metrics, training
from ganfeat.build import suggest
from ganfeat.ending import told
from ganfeat.files import atomic_write
from ganfeat.training import machine


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m ganfeat.bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all of them if none is named"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args(argv)
    parts = arguments.parts or [*PARTS]
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; {suggest(unknown[0], PARTS)}")
    with told():
        with atomic_write(arguments.out) as file:  # minutes go by before it is needed
            file.write(b"{}\n")
        measure(arguments.device, arguments.out, parts)


def measure(device: str, out: Path, parts: Sequence[str]) -> None:
    """Measure these parts, print them, and write each to ``out`` as soon as it is there."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    bench = training.Bench(machine.pick_device(device))
    machine.prepare(bench.device, None, "auto")
    about = machine.describe(bench.device)
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"this machine is busy (load {load:.1f}): the figures below are too low")
    result: dict[str, Any] = {"machine": about}
    for part in parts:
        result |= PARTS[part](bench)
        result["peak_memory"] = machine.peak_memory()
        with atomic_write(out) as file:
            file.write((json.dumps(result, indent=1) + "\n").encode())
    print(f"peak memory {result['peak_memory'] / 2**30:.1f} GiB\nwritten to {out}")


def networks(bench: training.Bench) -> dict[str, Any]:
    """Forward passes and iterations of the paper's sizes, as fractions of this machine's peak."""
    precisions = {"fp32": torch.float32}
    if machine.has_fast_bf16(bench.device):
        precisions["bf16"] = torch.bfloat16
    for precision, dtype in precisions.items():
        bench.peaks[precision] = bench.peak(dtype)
        print(f"convolution peak {precision}: {bench.peaks[precision]:.0f} GFLOP/s")
    for resolution in training.GFLOP:
        for precision in precisions:
            training.time_networks(bench, resolution, precision)
    return {"peak_gflops": bench.peaks, "rows": bench.rows}


def presets(bench: training.Bench) -> dict[str, Any]:
    """Training and data of the presets that need nothing else."""
    names = ("stylegan2_synthfaces", "stylegan2_synthfaces_64")
    found = {name: training.embedded_speed(bench, name) for name in names}
    found["ghfeat_synthfaces"] = training.ghfeat_speed(bench)
    for name in ("contrafeat_synthfaces", "contrafeat_synthfaces_proto"):
        found[name] = training.contrafeat_speed(bench, name)
    for name, value in found.items():
        print(f"{name}: {value:.1f} images/s of training")
    renderer = {str(side): training.renderer_speed(bench, side) for side in (32, 64)}
    for side, drawn in renderer.items():
        print(f"SynthFaces at {side} px: {drawn:.0f} images/s drawn")
    return {"presets_images_per_s": found, "renderer_images_per_s": renderer}


def hsr(bench: training.Bench) -> dict[str, Any]:
    """What the heads of HSR cost."""
    cost = training.hsr_cost(bench)
    print(
        f"an iteration of hsr_synthfaces takes {cost['median']:.2f} times as long as without its "
        f"heads ({cost['least']:.2f} to {cost['most']:.2f})"
    )
    return {"hsr_cost": cost}


def against(bench: training.Bench) -> dict[str, Any]:
    """Metrics beside those of other libraries."""
    return {"metrics": metrics.compare(bench)}


PARTS: dict[str, Callable[[training.Bench], dict[str, Any]]] = {
    "networks": networks, "presets": presets, "hsr": hsr, "metrics": against,
}  # fmt: skip


if __name__ == "__main__":
    main()
