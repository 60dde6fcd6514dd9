"""evaluate.py, and what measures while and after a run trains, with a judge of random weights."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import official
import pytest
import tiny
import torch
from PIL import Image

import ganfeat.backbone
from ganfeat import evaluate
from ganfeat.backbone import Generator
from ganfeat.config import compose
from ganfeat.data import SynthFaces
from ganfeat.errors import Interrupted, UserError
from ganfeat.examiner import Examiner
from ganfeat.exams import exams, make_judge, print_table
from ganfeat.features import FactorNet
from ganfeat.metrics.measure import Result
from ganfeat.metrics.ppl import PPL
from ganfeat.metrics.value import Value
from ganfeat.networks import read_header, save_networks
from ganfeat.seeds import seeded
from ganfeat.training import callbacks, machine
from ganfeat.training.method import Method
from ganfeat.training.record import locked
from ganfeat.training.run import run

ROOT = Path(__file__).parents[1]
FEW_NAMES = ["fid", "ppl", "diversity", "als"]
FEW = ["fid.n=100", "ppl.pairs=32", "diversity.n=32", "als.paths=4"]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Overrides that make a small random network the judge."""
    columns = SynthFaces().facts()["columns"]
    with seeded("judge", 0):
        network = FactorNet("factornet", columns, widths=(8, 8, 8, 8), blocks=(0, 0, 0, 0), dim=48)
    path = tmp_path_factory.mktemp("judge") / "factornet.safetensors"
    save_networks(path, {"encoder_ema": network}, {})
    return [f"judge.{part}.path={path}" for part in ("embedding", "perceptual", "attributes")]


def train(folder: Path, *more: str) -> dict[str, Any]:
    line = tiny.overrides(folder, "data.resolution=32", "total_kimg=0.032", *more)
    return run(compose(line), line, exams)


def measure(*line: str) -> dict[str, Any]:
    given = ["logger=csv", *line, "threads=1", "device=cpu"]
    return evaluate.run(compose(given, "evaluate"), given)


def values(result: dict[str, Any]) -> dict[str, float]:
    return {value["name"]: value["value"] for value in result["metrics"]}


def test_a_run_measures_while_it_trains_and_at_its_end(tmp_path: Path, judge: list[str]) -> None:
    result = train(
        tmp_path, "metrics=quick", "metrics@monitor=quick", "trainer.monitor_kimg=0.016", *judge,
        *(f"{group}.{key}" for group in ("metrics", "monitor") for key in FEW),
    )  # fmt: skip
    found = values(result)
    assert {"fid100_factornet", "ppl2_wend_factornet", "diversity32_factornet"} <= found.keys()
    assert all(value["seconds"] > 0 for value in result["metrics"])
    real = {v["name"]: v["protocol"]["data"] for v in result["metrics"]}["fid100_factornet"]
    assert (real["split"], real["length"]) == ("test", 100)
    watched = result["arrays"]["monitor/fid100_factornet"]
    assert len([value for value in watched if value is not None]) == 2
    json.dumps(result, allow_nan=False)


def test_the_best_is_that_of_the_lowest_fid_on_the_validation_split(
    tmp_path: Path, judge: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, scores = [], iter([3.0, 1.0, 2.0, 1.5])
    saved: list[float] = []

    def examine(self: Examiner, *given: Any, part: str, **more: Any) -> Result:
        parts.append(part)
        return Result([Value("fid100_factornet", next(scores))])

    untouched = callbacks.save_networks

    def save(path: Path, *given: Any) -> None:
        if path.name == "networks-best.safetensors":
            saved.append(len(parts))
        untouched(path, *given)

    monkeypatch.setattr(Examiner, "examine", examine)
    monkeypatch.setattr(callbacks, "save_networks", save)
    line = ["metrics=none", "metrics@monitor=quick", "trainer.monitor_kimg=0.008", *judge]
    line += [f"monitor.{key}" for key in FEW]
    step = Method.training_step

    def stop(self: Method, *given: Any) -> None:  # after the second measurement
        step(self, *given)
        if self.iteration == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Method, "training_step", stop)
        with pytest.raises(Interrupted):
            train(tmp_path, *line)
    train(tmp_path, *line)
    assert parts == ["val"] * 4
    assert saved == [1, 2]  # not 1.5, which is lower than all that the resumed run saw


def test_a_missing_judge_stops_a_run_before_its_first_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: give a run folder"):
        train(tmp_path, "metrics=quick", "judge.embedding.path=/nowhere")
    assert not list(tmp_path.rglob("samples-*.png"))
    with pytest.raises(UserError, match=r"inception.*which torch-fidelity publishes"):
        train(tmp_path, "metrics=quick", "judge=published")


def test_evaluate_adds_to_the_record_of_a_run(tmp_path: Path, judge: list[str]) -> None:
    before = train(tmp_path, *judge)
    folder = tiny.only(tmp_path, "result.json").parent
    line = [f"run={folder}", f"paths.outputs={tmp_path}", "metrics=quick"]
    line += [f"metrics.{key}" for key in FEW]
    first = measure(*line)
    assert first == json.loads((folder / "result.json").read_text())
    assert first["weights"] == before["weights"]
    again = measure(*line)
    assert values(again) == values(first)
    assert len(again["metrics"]) == len(first["metrics"])
    more = measure(*line, "metrics.fid.n=120")
    assert values(more) == {**values(first), "fid120_factornet": values(more)["fid120_factornet"]}
    other = measure(*line, "seed=1")
    assert len(other["metrics"]) > len(more["metrics"])  # another protocol, beside the first


@pytest.mark.slow
def test_other_weights_of_a_judge_of_the_same_name_are_told(
    tmp_path: Path, judge: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(evaluate.log, "warning", lambda text, *given: told.append(text % given))
    train(tmp_path, *judge)
    folder = tiny.only(tmp_path, "result.json").parent
    line = [f"run={folder}", "data=synthfaces", *(f"metrics.{key}" for key in FEW)]
    first = measure(*line, *judge)
    assert not told
    columns = SynthFaces().facts()["columns"]
    with seeded("judge", 1):  # a seed of its own: runs leave torch's generator at a known state
        other = FactorNet("factornet", columns, widths=(8, 8, 8, 8), blocks=(0, 0, 0, 0), dim=48)
    save_networks(tmp_path / "other.safetensors", {"encoder_ema": other}, {})
    parts = ("embedding", "perceptual", "attributes")
    second = measure(*line, *(f"judge.{part}.path={tmp_path}/other.safetensors" for part in parts))
    assert "fid100_factornet was measured before with other weights of factornet" in told[0]
    assert len(second["metrics"]) == 2 * len(first["metrics"])


def test_a_file_gets_a_result_of_its_own(tmp_path: Path, judge: list[str]) -> None:
    source = official.write(tmp_path / "theirs.pkl", official.networks(resolution=32))
    line = [
        f"checkpoint={source}",
        f"paths.outputs={tmp_path / 'out'}",
        *(f"metrics.{k}" for k in FEW),
    ]
    with pytest.raises(UserError, match="does not say what to compare with: add data=synthfaces"):
        measure(*line)
    result = measure(*line, "data=synthfaces", *judge)
    assert "fid100_factornet" in values(result)
    assert (tmp_path / "out" / "evaluate" / "theirs" / "result.json").is_file()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "give run=FOLDER or checkpoint=FILE"),
        (["run=a", "checkpoint=b"], "one of them"),
        (["run=/nowhere"], "/nowhere is no run folder"),
        (["checkpoint=/nowhere"], "/nowhere does not exist"),
        (["checkpoint=x", "metrics=quik"], "did you mean quick?"),
        (["checkpoint=x", "judge=factornet"], "judge= goes with data="),
        (["checkpoint=x", "data.resolution=16"], "no key data.resolution; it belongs to a"),
        (
            ["checkpoint=x", "data=synthfaces", "features@judge.embeding=scorer"],
            "Did you mean to override one of features, features@judge.attributes,",
        ),
        (["checkpoint=x", "psi=abc"], "psi must be float"),
        (["checkpoint=7"], "checkpoint must be str or null, not 7"),
        (["checkpoint="], "give run=FOLDER or checkpoint=FILE"),
        (["checkpoint=embedded", "psi=1e30"], "psi must be at least -10 and at most 10"),
        (["checkpoint=embedded", "metrics.fid=3"], "metrics.fid is 3: it must be null"),
        (
            ["checkpoint=embedded", "tasks=retrieval"],
            "no tasks retrieval; choose one of: all, drawing",
        ),
        (
            ["checkpoint=embedded", *(f"metrics.{k}=null" for k in FEW_NAMES)],
            "there is nothing to measure",
        ),
        (["checkpoint=x", "refresh=maybe"], "refresh must be bool"),
        (["checkpoint=x", "metrics.fid.n=0"], "metrics.fid.n must be at least 2, not 0"),
        (["checkpoint=x", "metrics.ppl.epsilon=0"], "epsilon must be greater than 0"),
        (
            ["checkpoint=embedded", "data=synthfaces", "data.resolution=64"],
            "makes images of 32 px: data.resolution=64 does not fit",
        ),
        (
            ["checkpoint=embedded", "data=synthfaces", "features@judge.attributes=cifarnet"],
            "cifarnet scores no attributes",
        ),
        (
            ["checkpoint=embedded", "data=synthfaces", "features@judge.perceptual=none"],
            "judge.perceptual is none",
        ),
        (["checkpoint=embedded", "metrics=hsr_paper"], "explained asks what a network sees in G's"),
        (
            ["checkpoint=embedded", "metrics=quick", "features=teacher"],
            "features= is for metrics=hsr_paper",
        ),
    ],
)
def test_mistakes_are_told(line: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        measure(*line)
    assert message in str(caught.value)


@pytest.mark.slow
def test_a_run_without_a_result_and_one_that_is_damaged(tmp_path: Path, judge: list[str]) -> None:
    train(tmp_path, *judge)
    file = tiny.only(tmp_path, "result.json")
    line = [f"run={file.parent}", *(f"metrics.{key}" for key in FEW)]
    whole = file.read_text()
    for damaged in ("{", "[]", '{"metrics": null}', '{"metrics": [{}]}', '{"arrays": 3}'):
        file.write_text(damaged)
        with pytest.raises(UserError, match=r"result\.json cannot be read"):
            measure(*line)
    file.write_text(whole.replace('"arrays": {', '"arrays": {"odd": [NaN],', 1))
    assert measure(*line)["arrays"]["odd"] == [None]
    file.unlink()
    with pytest.raises(UserError, match=r"has no result yet .* checkpoint=.*last\.ckpt"):
        measure(*line)
    outputs = tmp_path / "out"
    measure(
        f"checkpoint={file.parent}/checkpoints/last.ckpt", f"paths.outputs={outputs}", *line[1:]
    )
    assert tiny.only(outputs, "result.json").parent.name == f"{file.parent.name}-last"
    train(tmp_path, *judge)  # it still goes on


def test_a_run_that_is_at_work_is_left_alone(tmp_path: Path, judge: list[str]) -> None:
    train(tmp_path, *judge)
    folder = tiny.only(tmp_path, "result.json").parent
    with locked(folder), pytest.raises(UserError, match="another process is at work"):
        measure(f"run={folder}", "metrics=quick")


def test_what_was_measured_of_other_weights_is_left_out(tmp_path: Path, judge: list[str]) -> None:
    train(tmp_path, *judge)
    folder = tiny.only(tmp_path, "result.json").parent
    line = [f"run={folder}", *(f"metrics.{key}" for key in FEW), "metrics.als=null"]
    first = measure(*line, "metrics.ppl=null", "metrics.diversity=null")
    weights = folder / "checkpoints" / "networks.safetensors"
    networks = {name: ganfeat.backbone.load(weights, name) for name in ("g", "d", "g_ema")}
    networks["g_ema"].w_avg.add_(1)
    save_networks(weights, networks, read_header(weights))
    second = measure(*line, "metrics.fid=null")
    assert "fid100_factornet" in values(first)
    assert not values(first).keys() & values(second).keys()
    assert {"status", "weights", "kimg"} <= second.keys()


def test_a_broken_photograph_is_on_record_and_not_in_the_cache(
    tmp_path: Path, judge: list[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(120):
        Image.fromarray(np.full((32, 32, 3), 2 * i, np.uint8)).save(photos / f"{i:03d}.png")
    file = photos / "070.png"
    file.write_bytes(file.read_bytes()[:60])
    line = ["checkpoint=embedded", "data=images", f"data.path={photos}", "judge=factornet", *judge]
    line += [f"paths.outputs={tmp_path}", *(f"metrics.{k}=null" for k in ("ppl", "als"))]
    line += ["metrics.diversity=null", "metrics.fid.n=100"]
    assert measure(*line)["broken_images"] == ["070.png"]
    assert not list((tmp_path / "cache").glob("*"))


def test_no_name_and_no_number_is_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    name = "coverage_correlation10k_factornet"
    print_table([Value(name, 0.123456, 0.11, 0.13, 10_000, 12.3)])
    [row] = [line for line in capsys.readouterr().out.splitlines() if name in line]
    assert row.replace("│", " ").split() == [name, "0.12346", "0.11..0.13", "10000", "12.3"]


def test_factors_asked_for_by_name_where_there_are_none(tmp_path: Path, judge: list[str]) -> None:
    train(tmp_path, *judge)
    folder = tiny.only(tmp_path, "result.json").parent
    line = [f"run={folder}", f"paths.outputs={tmp_path}", *(f"metrics.{key}" for key in FEW[:3])]
    line += ["data=synthfaces", "judge.attributes=null", *judge[:2]]
    found = {v["name"]: v["value"] for v in measure(*line)["metrics"]}
    assert found["als"] is None
    with pytest.raises(UserError, match="als cannot be measured here"):
        measure(*line, "metrics.als.paths=4")
    for group in ("metrics", "metrics@monitor"):
        with pytest.raises(UserError, match="als cannot be measured here"):
            train(
                tmp_path / "new", f"{group}=quick", "judge.attributes=null", *judge[:2],
                *(f"{group.rpartition('@')[2]}.{key}" for key in FEW),
            )  # fmt: skip


def test_a_network_that_looks_at_images_is_measured_by_what_is_true(
    tmp_path: Path, judge: list[str]
) -> None:
    line = tiny.overrides(
        tmp_path,
        "total_kimg=0.016",
        "metrics=factors",
        "metrics.reading.n=64",
        experiment="factornet_synthfaces",
    )
    result = run(compose(line), line, exams)
    assert list(values(result)) == ["reading64_factornet", "landmarks64_factornet"]
    assert result["metrics"][0]["protocol"]["data"]["split"] == "test"
    folder = tiny.only(tmp_path, "result.json").parent
    again = measure(f"run={folder}", "metrics=factors", "metrics.reading.n=96")
    assert values(again).keys() == {*values(result), "reading96_factornet", "landmarks96_factornet"}
    line = [f"run={folder}", "metrics=quick", "data=synthfaces", *judge]
    with pytest.raises(UserError, match="the metric fid is for generators, and this is one of the"):
        measure(*line)


def test_encoders_are_checked_before_the_first_step(tmp_path: Path) -> None:
    line = tiny.overrides(tmp_path, "metrics=factors", experiment="teacher_synthfaces")
    with pytest.raises(UserError, match="teacher names no factors"):
        run(compose(line), line, exams)
    assert not list(tmp_path.rglob("last.ckpt"))


def test_metrics_of_another_kind_stop_a_run_before_its_first_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the metric reading is for networks that look at images"):
        train(tmp_path, "metrics=factors")
    assert not list(tmp_path.rglob("samples-*.png"))


def test_values_go_to_the_run_of_wandb_that_was_trained(tmp_path: Path) -> None:
    wandb = ["logger=wandb", "logger.wandb=offline"]
    few = ["total_kimg=0.016", "metrics=factors", "metrics.reading.n=64"]
    line = tiny.overrides(tmp_path, *few, *wandb, experiment="factornet_synthfaces")
    run(compose(line), line, exams)
    folder = tiny.only(tmp_path, "result.json").parent
    measure(f"run={folder}", "metrics=factors", "metrics.reading.n=96", *wandb)
    trained, measured = sorted(folder.glob("wandb/offline-run-*"))
    known = (folder / ".logger_id").read_text()
    for path, name in ((trained, b"reading64_factornet"), (measured, b"reading96_factornet")):
        assert known in path.name  # wandb appends -1 to the second folder of one second
        [file] = path.glob("*.wandb")
        until = time.monotonic() + 20  # a process of wandb's own writes it
        while name not in file.read_bytes() and time.monotonic() < until:
            time.sleep(0.2)
        assert name in file.read_bytes()


# What would make two numbers of one name differ.


def examined(generator: Generator, judge: list[str], data: Any, **metrics: Any) -> dict[str, float]:
    config = compose([*judge, "experiment=stylegan2_synthfaces"])
    examiner = Examiner(make_judge(config["judge"], metrics), metrics, "cpu", Path("/nowhere"))
    found = examiner.examine(generator, data)
    return {value.name: value.value for value in found.values}


def test_a_network_that_trains_in_bf16_is_measured_in_fp32(judge: list[str]) -> None:
    shape: Any = {"z_dim": 8, "w_dim": 8, "mapping_layers": 2, "channel_base": 64}
    coarse = Generator(32, **shape, num_bf16_res=4).train()
    exact = Generator(32, **shape)
    exact.load_state_dict(coarse.state_dict())
    data = SynthFaces("train", 32, 100)
    found = [examined(g, judge, data, ppl=PPL(64)) for g in (coarse, exact)]
    assert found[0] == found[1]
    assert coarse.training
    assert coarse.synthesis.b32.bf16


def test_tf32_is_off_while_something_is_measured() -> None:
    before = torch.backends.cudnn.allow_tf32
    with machine.full_precision():
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.slow
def test_counts_are_part_of_a_protocol(tmp_path: Path, judge: list[str]) -> None:
    train(tmp_path, *judge)
    folder = tiny.only(tmp_path, "result.json").parent
    line = [f"run={folder}", f"paths.outputs={tmp_path}", *(f"metrics.{key}" for key in FEW)]
    once = measure(*line)
    more = measure(*line, "metrics.ppl.pairs=64", "metrics.als.paths=5")
    names = [value["name"] for value in more["metrics"]]
    assert len(more["metrics"]) == len(once["metrics"]) + 8  # two of PPL, six of ALS
    assert names.count("ppl2_wend_factornet") == names.count("als_factornet") == 2


def test_other_weights_in_a_file_of_the_same_name(tmp_path: Path, judge: list[str]) -> None:
    line = [f"paths.outputs={tmp_path}", "data=synthfaces", *judge]
    line += [
        "metrics.als=null",
        "metrics.diversity=null",
        "metrics.fid=null",
        "metrics.ppl.pairs=8",
    ]
    shape: Any = {"z_dim": 8, "w_dim": 8, "mapping_layers": 2, "channel_base": 64}
    for name in "ab":
        (tmp_path / name).mkdir()
        save_networks(tmp_path / name / "g.safetensors", {"g_ema": Generator(32, **shape)}, {})
    first = measure(f"checkpoint={tmp_path}/a/g.safetensors", *line)
    with pytest.raises(UserError, match=r"about other weights \(.*a/g.safetensors\)"):
        measure(f"checkpoint={tmp_path}/b/g.safetensors", *line)
    again = measure(f"checkpoint={tmp_path}/a/g.safetensors", *line)
    assert values(again) == values(first)


def test_a_judge_of_other_factors(judge: list[str]) -> None:
    data = SynthFaces("train", 32, 100)
    facts = data.facts()
    renamed = [["chin", *rest] for _, *rest in facts["columns"][:1]] + facts["columns"][1:]
    data.facts = lambda: {**facts, "columns": renamed}  # type: ignore[method-assign]
    with pytest.raises(UserError, match="factornet reads other factors than these data have"):
        examined(Generator(32, channel_base=64), judge, data, ppl=PPL(8))


def test_photographs_have_no_factors(tmp_path: Path, judge: list[str], photographs: Path) -> None:
    train(tmp_path, *judge)
    folder = tiny.only(tmp_path, "result.json").parent
    line = [f"run={folder}", f"paths.outputs={tmp_path}", "metrics=standard", "data=images"]
    line += [f"data.path={photographs}", "judge=factornet", *judge]
    line += ["metrics.fid=null", "metrics.fid_flat=null", "metrics.kid.n=24", "metrics.ppl.pairs=8"]
    line += ["metrics.precision_recall.n=24", "metrics.diversity.n=8"]
    found = values(measure(*line))
    assert found["kid24_factornet"] is not None
    for name in ("als", "als_floor", "ppl_floor", "unnatural", "coverage", "redraw"):
        assert found[name] is None
    with pytest.raises(UserError, match="coverage cannot be measured here: it needs a judge that"):
        measure(*line, "metrics.coverage.n=24")


def test_a_conditional_generator_needs_labels(judge: list[str]) -> None:
    generator = Generator(32, label_dim=3, z_dim=8, w_dim=8, mapping_layers=2, channel_base=64)
    with pytest.raises(UserError, match=r"told classes of 3, and the data have 0: .*data.labels"):
        examined(generator, judge, SynthFaces("train", 32, 100), ppl=PPL(8))


@pytest.mark.slow
def test_torchrun_measures_the_same(tmp_path: Path, judge: list[str]) -> None:
    line = ["checkpoint=embedded", "device=cpu", "threads=1", "logger=csv", "data=synthfaces"]
    line += judge
    line += [f"metrics.{key}" for key in FEW]
    results = []
    for start in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]):
        outputs = tmp_path / str(len(start))
        command = [sys.executable, *start, "evaluate.py", *line, f"paths.outputs={outputs}"]
        subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        results.append(values(json.loads(tiny.only(outputs, "result.json").read_text())))
    assert results[1] == pytest.approx(results[0], rel=1e-4, abs=1e-6)
