"""From the command line to a plain dict: presets, overrides, and a clear line for each mistake."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml

from ganfeat.build import build
from ganfeat.checks import check_preset, right_key
from ganfeat.config import check, compose, config_dir
from ganfeat.entry import entry_point
from ganfeat.errors import Busy, Interrupted, UserError

ROOT = Path(__file__).parents[1]
PRESETS = sorted(path.stem for path in (config_dir() / "experiment").glob("*.yaml"))
SMALL = "experiment=stylegan2_synthfaces"


def filled_path(preset: str) -> list[str]:
    needed = {
        "data.path=x.zip": tiny.chosen(preset, "data") == "images",
        "backbone.weights=x.pkl": tiny.lacks_weights(preset),
        "method.navigator=x": tiny.chosen(preset, "method") == "from_edits",
    }
    return [text for text, is_needed in needed.items() if is_needed]


def message(overrides: list[str], **more: Any) -> str:
    with pytest.raises(UserError) as error:
        compose(overrides, **more)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_short_says_where_it_comes_from_and_composes(preset: str):
    lines = (config_dir() / "experiment" / f"{preset}.yaml").read_text().splitlines()
    assert len(lines) <= 25
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# ")
    config = compose([f"experiment={preset}", *filled_path(preset)])
    assert config["experiment"] == preset
    assert "overrides" not in config
    assert "???" not in json.dumps(config)
    assert json.loads(json.dumps(config)) == config


@pytest.mark.parametrize(
    ("preset", "values"),
    [  # methods/backbone.md, "Config table (official)"
        ("stylegan2_ffhq", (25000, 64, 8, 16384, 0.0025, 1.0, 20.0, None, 8)),
        ("stylegan2_ffhq_1024", (25000, 32, 4, 32768, 0.002, 2.0, 10.0, None, 8)),
        ("stylegan2_afhqcat", (25000, 64, 8, 32768, 0.0025, 0.5, 20.0, None, 8)),
        ("stylegan2_cifar10_paper", (100000, 64, 32, 32768, 0.0025, 0.01, 500.0, 0.05, 2)),
    ],
)
def test_official_values(preset: str, values: tuple[Any, ...]):
    c = compose([f"experiment={preset}", "data.path=x"])
    g, d, m = c["backbone"]["generator"], c["backbone"]["discriminator"], c["method"]
    assert values == (
        c["total_kimg"], c["batch_size"], d["mbstd_group"], g["channel_base"], m["lr"],
        m["r1_gamma"], m["ema_kimg"], m["ema_rampup"], g["mapping_layers"],
    )  # fmt: skip
    assert g["channel_base"] == d["channel_base"]
    assert (g["channel_max"], g["z_dim"], g["w_dim"], g["conv_clamp"]) == (512, 512, 512, 256.0)
    assert (m["augment"], m["ada_target"], c["precision"]) == ("bgc", 0.6, "bf16")
    cifar = preset == "stylegan2_cifar10_paper"
    assert (m["pl_weight"], m["mixing_prob"]) == ((0.0, 0.0) if cifar else (2.0, 0.9))
    assert d["architecture"] == ("orig" if cifar else "resnet")


def test_the_embedded_networks_have_their_size():
    nodes = compose([SMALL])["backbone"]
    networks = [build(node, resolution=32, label_dim=0, num_bf16_res=0) for node in nodes.values()]
    sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert sizes == pytest.approx([0.782e6, 0.872e6], rel=0.005)


def test_values_that_no_yaml_has_are_recorded_and_can_be_set():
    assert compose([SMALL])["method"]["pl_weight"] == 2.0
    assert compose([SMALL, "method.pl_weight=3"])["method"]["pl_weight"] == 3.0
    assert compose([SMALL, "data.length=5"])["data"]["length"] == 5


def test_the_same_value_is_the_same_config_however_it_is_written():
    assert compose([SMALL, "total_kimg=300", "method.r1_gamma=1"]) == compose(
        [SMALL, "total_kimg=300.0", "method.r1_gamma=1.0"]
    )


def test_overrides_are_forced_only_where_the_key_exists():
    line = [SMALL, "method.pl_weight=1,2", "seed=0,1", "hydra.verbose=true"]
    assert check(["+hydra.launcher.x=1"], sweep=True) == ["+hydra.launcher.x=1"]
    assert check(line, sweep=True) == [
        SMALL, "++method.pl_weight=1,2", "++seed=0,1", "hydra.verbose=true",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["~/faces.zip", "/tmp/gesichter/ü.zip", "my folder/a.zip"])
def test_paths_need_no_quotes(path):
    line = [SMALL, "data=images", f"data.path={path}"]
    assert compose(line)["data"]["path"] == path


@pytest.mark.parametrize("more", [[], ["features.path=here"], ["method.weight=0"]])
def test_hsr_is_asked_about_the_teacher_that_is_chosen(more):
    config = compose(["experiment=hsr_ffhq", "data.path=x", *more])
    assert config["metrics"]["explained"]["teacher"] == config["features"]
    assert config["features"]["path"] == ("here" if "features.path=here" in more else None)
    assert config["features"]["resize"] == "area"


@pytest.mark.parametrize("teacher", ["alexnet", "teacher", "lpips_vgg16", "dino_vitb16"])
def test_hsr_takes_a_teacher_as_it_is(teacher):
    """What the authors put before DINO is DINO's, and no other network is asked about it."""
    config = compose(["experiment=hsr_ffhq", "data.path=x", f"features={teacher}"])
    assert config["features"].get("resize", "its own") != "area"
    assert config["features"].get("mean") is None


def test_keys_follow_the_options_that_are_chosen():
    line = [SMALL, "data=images", "data.path=x", "data.xflip=true", "logger=csv"]
    config = compose(line)
    assert (config["data"]["xflip"], config["logger"]["wandb"]) == (True, "off")
    assert check(["experiment=stylegan2_synthfaces,stylegan2_ffhq", "method.lr=1"], sweep=True)
    assert check(["experiment=glob(stylegan2_synth*)"], sweep=True)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([SMALL, "method.r1_gama=3"], "no key method.r1_gama; did you mean method.r1_gamma?"),
        ([SMALL, "sed=3"], "there is no key sed; did you mean seed?"),
        ([SMALL, "resolution=64"], "did you mean data.resolution?"),
        ([SMALL, "methd.r1_gamma=3"], "did you mean method.r1_gamma?"),
        ([SMALL, "method.seed=3"], "did you mean seed?"),
        (
            [SMALL, "data.path=x"],
            "no key data.path; data has correlate, extras, length, resolution",
        ),
        ([SMALL, "data.exras=[mask]"], "did you mean data.extras?"),
        (["experiment=stylegan2_synthface"], "did you mean stylegan2_synthfaces?"),
        (["experiment=zzz"], "there is no experiment zzz; choose one of: autoencoder_synthfaces,"),
        ([SMALL, "data=image"], "there is no data image; did you mean images?"),
        ([SMALL, "experimnt=a"], "there is no key experimnt; did you mean experiment?"),
        ([], "which experiment? choose one of: autoencoder_synthfaces,"),
        ([SMALL, "foo"], "cannot read 'foo': settings are written key=value"),
        ([SMALL, "seed=[1"], "cannot read 'seed=[1'"),
        ([SMALL, "seed=0,1"], "seed=0,1 is a sweep: add -m"),
        ([SMALL, "seed=abc"], "seed must be int, not 'abc'"),
        ([SMALL, "method.lr=abc"], "method.lr must be float, not 'abc'"),
        ([SMALL, "trainer.devices=1.5"], "trainer.devices must be int, not 1.5"),
        ([SMALL, "seed=-1"], "seed must be at least 0 and at most 4294967295, not -1"),
        ([SMALL, "seed=4294967296"], "seed must be at least 0 and at most 4294967295"),
        ([SMALL, "total_kimg=0"], "total_kimg must be greater than 0, not 0"),
        ([SMALL, "total_kimg=nan"], "total_kimg must be"),
        ([SMALL, "total_kimg=inf"], "total_kimg must be a finite number, not inf"),
        ([SMALL, "method.ema_kimg=nan"], "method.ema_kimg must be"),
        ([SMALL, "method.lr=-1"], "method.lr must be at least 0 and at most 1, not -1"),
        ([SMALL, "method.r1_interval=0"], "method.r1_interval must be at least 1, not 0"),
        ([SMALL, "method.mixing_prob=2"], "method.mixing_prob must be at least 0 and at most 1"),
        ([SMALL, "method.beta2=1"], "method.beta2 must be at least 0 and less than 1, not 1"),
        ([SMALL, "method.ada_target=5"], "method.ada_target must be at least -1 and at most 1"),
        ([SMALL, "backbone.generator.z_dim=0"], "backbone.generator.z_dim must be at least 1"),
        ([SMALL, "backbone.generator.conv_clamp=-1"], "conv_clamp must be greater than 0"),
        ([SMALL, "data.correlate=3"], "data.correlate must be a list or null, not 3"),
        ([SMALL, "data.length=-1"], "data.length must be at least 0"),
        ([SMALL, "trainer.workers=foo"], "trainer.workers must be int or auto, not 'foo'"),
        ([SMALL, "data=images", "data.path=2024"], "data.path must be str, not 2024"),
        ([SMALL, "data=images", "data.path=null"], "data.path must be str, not None"),
        ([SMALL, "data=images", "data.path=x", "data.part=rest"], "judge or teacher, not 'rest'"),
        ([SMALL, "init_from=3"], "init_from must be str or null, not 3"),
        ([SMALL, "paths.outputs="], "paths.outputs is empty: give a folder"),
        ([SMALL, "method._target_=1"], "_target_=1: there is no"),
        ([SMALL, "+lr=1"], "settings are neither added nor taken away"),
        ([SMALL, "~seed"], "settings are neither added nor taken away"),
        (["experiment=[stylegan2_synthfaces]"], "there is no experiment ['stylegan2_synthfaces']"),
        ([SMALL, "seed=${foo}"], "Interpolation key 'foo' not found"),
        ([SMALL, "hydra.foo=1"], "Could not override 'hydra.foo'"),
        ([SMALL, "total_kimg=???"], "stylegan2_synthfaces needs total_kimg: add total_kimg=VALUE"),
        (["experiment=stylegan2_ffhq"], "SRC DST.zip --resolution 256` and add data.path=DST.zip"),
        (["experiment=stylegan2_cifar10"], "ganfeat.data.prepare SRC DST.zip --resolution 32`"),
    ],
)
def test_a_mistake_is_told_in_one_line(overrides: list[str], expected: str):
    assert expected in message(overrides)


def test_a_key_is_sought_beside_it_before_it_is_sought_afar():
    known = ["seed", "data", "data.path", "data.seed_of", "method", "method.path_length"]
    assert right_key("method.path", known) == "did you mean data.path?"
    assert right_key("method.path_lengt", known) == "did you mean method.path_length?"
    assert right_key("data.zzz", known) == "data has path, seed_of"


def test_a_mistyped_key_inside_a_preset_is_found():
    base = {"seed": 0, "trainer": {"devices": 1}, "method": {"_target_": "A", "lr": 1.0}}
    check_preset({"seed": 5, "method": {"_target_": "A", "lrr": 1.0}}, base)  # fill refuses lrr
    with pytest.raises(UserError, match="sets sede, which does not exist; did you mean seed"):
        check_preset({"sede": 5}, base)
    with pytest.raises(UserError, match=r"did you mean trainer\.devices"):
        check_preset({"trainer": {"device": 2}}, base)


def test_presets_of_ones_own_are_held_to_the_same_rules(tmp_path, monkeypatch):
    conf = tmp_path / "conf"
    subprocess.run(["cp", "-r", config_dir(), conf], check=True)
    monkeypatch.setattr("ganfeat.config.config_dir", lambda: conf)
    preset = conf / "experiment" / "mine.yaml"
    preset.write_text("# @package _global_\ntotal_kimg: 5\nbatch_sise: 4\n")
    assert "the preset sets batch_sise, which does not exist; did you mean batch_size?" in message(
        ["experiment=mine"]
    )
    looks = "defaults: [{override /features: dino_vitb16}]\nfeatures: {resize: area}\n"
    preset.write_text(f"# @package _global_\n{looks}total_kimg: 5\n")
    assert "choose another features than none" in message(["experiment=mine", "features=none"])
    preset.write_text("# @package _global_\ntotal_kimg: 5\nmethod: {r1_gama: 4}\n")
    assert "did you mean method.r1_gamma?" in message(["experiment=mine"])
    preset.write_text("# @package _global_\nlogger: {wandb: off}\n")
    assert "logger.wandb must be str" in message(["experiment=mine", "total_kimg=1"])
    preset.write_text("# @package _global_\ntotal_kimg: [5\n")
    assert "mine.yaml" in message(["experiment=mine"])


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Types a command line at `entry_point`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")

    def run(task: Any, *line: str) -> None:
        monkeypatch.setattr(sys, "argv", ["train.py", *line])
        entry_point("train", task)

    return run


def test_the_task_gets_plain_data_and_what_was_typed(command, tmp_path):
    seen: list[Any] = []

    def task(config: dict[str, Any], overrides: list[str]) -> None:
        # Composing inside a job (a study does) leaves Hydra as it was.
        assert compose(["experiment=stylegan2_ffhq", "data.path=x"])["batch_size"] == 64
        seen.extend([config, overrides, sys.argv[1:]])

    line = [SMALL, "method.r1_gamma=3", "paths.outputs='${oc.env:HOME}/x'"]
    command(task, *line)
    config, overrides, argv = seen
    expected = compose(line)
    assert config == expected
    assert type(config["method"]) is dict
    assert config["paths"]["outputs"] == os.environ["HOME"] + "/x"
    assert overrides == line
    assert compose(argv) == expected  # Lightning starts other ranks with sys.argv
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("no"), 1), (Busy("no"), 75), (Interrupted("no"), 130),
        (Interrupted("no", 143), 143),
    ],
)  # fmt: skip
def test_an_error_of_the_task_is_one_line_and_an_exit_code(command, capsys, error, code):
    def task(config: dict[str, Any], overrides: list[str]) -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        command(task, SMALL)
    assert stop.value.code == code
    assert capsys.readouterr().err == "error: no\n"


@pytest.mark.parametrize(("error", "code"), [(UserError("no"), 1), (Busy("no"), 75)])
def test_the_only_job_of_a_sweep_ends_it_with_its_code(command, error, code):
    """So does a launcher, which runs a study's runs one by one."""

    def task(config: dict[str, Any], overrides: list[str]) -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        command(task, SMALL, "-m")
    assert stop.value.code == code
    with pytest.raises(SystemExit) as stop:
        command(task, SMALL, "seed=0,1", "-m")
    assert stop.value.code == 1


def test_an_interrupted_import_is_finished_first(command, capsys, monkeypatch, tmp_path):
    """An exception amid an import leaves modules half made, of which others then complain."""
    (tmp_path / "slowly.py").write_text(
        "import os, signal, time\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "time.sleep(0.12)\n"
        "whole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def task(config: dict[str, Any], overrides: list[str]) -> None:
        import slowly  # type: ignore[import-not-found]

        assert slowly.whole
        time.sleep(10)

    began = time.monotonic()
    with pytest.raises(SystemExit) as stop:
        command(task, SMALL)
    assert stop.value.code == 130
    assert time.monotonic() - began < 10
    assert "slowly" in sys.modules
    assert "stopped by SIGINT" in capsys.readouterr().err


def test_a_bug_is_no_typing_error(command):
    def task(config: dict[str, Any], overrides: list[str]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command(task, SMALL)


def test_the_traceback_on_demand(command, monkeypatch):
    monkeypatch.setenv("GANFEAT_DEBUG", "1")
    with pytest.raises(UserError):
        command(print, "sed=1")


@pytest.mark.parametrize("line", [["--seed=3"], ["-x", SMALL]])
def test_settings_take_no_dashes(command, capsys, line):
    with pytest.raises(SystemExit):
        command(print, *line)
    assert "settings are written key=value" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[SMALL, "--cfg", "job"], ["--cfg", "job", "seed=4"]])
def test_the_flags_of_hydra_go_on_working(command, capsys, flags):
    with suppress(SystemExit):
        command(print, *flags)
    assert "total_kimg:" in capsys.readouterr().out


def test_help_is_short_and_names_every_setting(command, capsys):
    with suppress(SystemExit):
        command(print, "--help")
    text = capsys.readouterr().out
    plain = yaml.safe_load((config_dir() / "train.yaml").read_text())
    for key in plain.keys() - {"defaults", "hydra"}:
        assert re.search(rf"\b{key}\b", text), key
    for group in (config_dir()).iterdir():
        assert group.is_file() or group.name in text
    assert len(text.splitlines()) < 50


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [["train.py", "--help"], ["compare.py", "--help"], ["-m", "ganfeat", "list"]]
)
def test_what_there_is_is_told_without_torch(line):
    code = f"import runpy, sys; sys.argv = {line[-2:] if line[0] == '-m' else line!r};"
    code += (
        "runpy.run_module('ganfeat', run_name='__main__', alter_sys=False)"
        if line[0] == "-m"
        else f"runpy.run_path({line[0]!r}, run_name='__main__')"
    )
    check = f"import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); {code}"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr


@pytest.mark.slow
def test_a_sweep_goes_on_after_a_failure_and_ends_with_1(tmp_path):
    (tmp_path / "job.py").write_text(
        "from ganfeat.entry import entry_point\n"
        "from ganfeat.errors import UserError\n"
        "def task(config, overrides):\n"
        "    if config['seed'] == 1: raise UserError('not this one')\n"
        "    print(config['seed'], config['method']['pl_weight'], *overrides)\n"
        "entry_point('train', task)\n"
    )
    line = [sys.executable, "job.py", SMALL, "-m", "method.pl_weight=1.5", "seed=0,1,2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(line, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    jobs = [text for text in done.stdout.splitlines() if re.match(r"\d 1\.5 ", text)]
    assert jobs == [f"{s} 1.5 {SMALL} method.pl_weight=1.5 seed={s}" for s in (0, 2)]
    assert "error: not this one" in done.stderr
    assert "1 of 3 runs have failed" in done.stdout
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"job.py", "outputs"}


def test_train_py(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, str(ROOT / "train.py"), SMALL, "method.r1_gama=3"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "did you mean method.r1_gamma?" in done.stderr
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
    assert list(tmp_path.iterdir()) == []
