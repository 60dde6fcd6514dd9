"""The benchmark: its count of the work, and what it writes."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ganfeat.backbone import Discriminator, Generator
from ganfeat.bench import metrics
from ganfeat.bench import training as bench
from ganfeat.bench.__main__ import main


@pytest.mark.parametrize("resolution", bench.GFLOP)
def test_work_of_the_benchmark_is_the_work_of_the_networks(resolution: int) -> None:
    with torch.device("meta"):
        g = Generator(resolution, channel_base=16384)
        d = Discriminator(resolution, channel_base=16384)
        with FlopCounterMode(display=False) as of_g:
            images = g(torch.empty(1, 512))
        with FlopCounterMode(display=False) as of_d:
            d(images)
    work = of_g.get_total_flops() / 1e9, of_d.get_total_flops() / 1e9
    # The counter takes a depthwise or transposed convolution as it is written, the table's
    # author by hand: 3 % is what they may differ by.
    assert work == pytest.approx(bench.GFLOP[resolution], rel=0.03)


@pytest.mark.slow
def test_what_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = {"channel_base": 256, "channel_max": 8}
    monkeypatch.setattr(bench, "GFLOP", {32: (8.0, 8.2)})
    monkeypatch.setattr(bench, "PEAK_SHAPES", ((16, 8),))
    monkeypatch.setattr(
        bench, "networks", lambda r, *_: (Generator(r, **narrow), Discriminator(r, **narrow))
    )
    monkeypatch.setattr(bench, "ITERATIONS", 5)
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "embedded_speed", lambda *_: 1.0)
    for name, value in (("IMAGES", 320), ("PAIRS", 64), ("ROUNDS", 1)):
        monkeypatch.setattr(metrics, name, value)
    main(["--device", "cpu", "--out", str(tmp_path / "bench.json")])
    result = json.loads((tmp_path / "bench.json").read_text())
    precisions = list(result["peak_gflops"])
    assert precisions[0] == "fp32"
    rows = result["rows"]
    assert [row["what"] for row in rows] == ["G forward", "D forward", "iteration"] * len(
        precisions
    )
    work = {"G forward": 8.0, "D forward": 8.2, "iteration": 4.75 * 8.0 + 8.4 * 8.2}
    for row in rows:
        assert row["resolution"] == 32
        assert row["images_per_s"] == pytest.approx(8 / row["seconds"])
        gflops = work[row["what"]] * row["images_per_s"]
        peak = result["peak_gflops"][row["precision"]]
        assert row["fraction_of_peak"] == pytest.approx(gflops / peak)
    assert result["hsr_cost"]["least"] > 0.8  # what it does besides cannot make it faster
    for name, tolerance in (("fid", 1e-3), ("ppl", 1e-2)):
        found = result["metrics"][name]
        assert found["images_per_s"] > 0
        ours = found["values"].pop("ours")
        assert found["values"].keys() == found["times_as_fast_as"].keys()
        assert list(found["values"].values()) == pytest.approx(
            [ours] * len(found["values"]), rel=tolerance
        )
    assert "images/s of training" in capsys.readouterr().out
    main(["--device", "cpu", "--out", str(tmp_path / "bench.json"), "hsr"])
    assert json.loads((tmp_path / "bench.json").read_text()).keys() == {
        "machine", "hsr_cost", "peak_memory"
    }  # fmt: skip


def test_a_part_that_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["preset"])
    assert "there is no part preset; did you mean presets?" in capsys.readouterr().err
