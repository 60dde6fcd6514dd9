"""``python -m ganfeat list``."""

from pathlib import Path

import pytest

from ganfeat.__main__ import GROUPS, about, kind, main
from ganfeat.config import config_dir


def test_every_option_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list"])
    said = capsys.readouterr().out.splitlines()
    listed = {line.split()[0]: line.split(maxsplit=1)[1:] for line in said if line.startswith("  ")}
    for group in GROUPS:
        for path in (config_dir() / group).glob("*.yaml"):
            assert listed[path.stem], path  # and something is said of it
    assert max(map(len, said)) <= 120


def test_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "judge"])
    said = capsys.readouterr().out
    assert said.startswith("Networks that measure")
    assert "factornet" in said
    assert "hsr_ffhq" not in said
    with pytest.raises(SystemExit):
        main(["list", "judges"])
    assert "there is no group judges; choose from experiment" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("preset", "which"),
    [
        ("stylegan2_ffhq_1024", "generators"), ("hsr_church", "generators"),
        ("ghfeat_tower", "encoders"), ("fixed_synthfaces", "encoders"),
        ("navigator_ffhq", "navigators"), ("contrafeat_ffhq_proto", "navigators"),
        ("roomnet_synthrooms", "others"), ("teacher_cifar10", "others"),
    ],
)  # fmt: skip
def test_presets_stand_under_what_they_make(preset: str, which: str) -> None:
    assert kind(config_dir() / "experiment" / f"{preset}.yaml") == which


@pytest.mark.parametrize(
    ("method", "which"),
    [
        ("defaults: [base, _self_]\nlr: 1\n", "encoders"),
        ("defaults:\n  - base@method\n  - override /features: x\nlr: 1\n", "encoders"),
        ("_target_: mine.trainers.Mine\n", "others"), ("lr: 1\n", "others"),
    ],
)  # fmt: skip
def test_methods_of_ones_own_are_listed(
    tmp_path: Path, method: str, which: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    files = {
        "method/base.yaml": "_target_: ganfeat.encoders.autoencoder.Autoencoder\n",
        "method/mine.yaml": method,
        "experiment/first.yaml": "# Mine.\ndefaults:\n  - override /method: mine\n",
        "experiment/second.yaml": "# Mine again.\ndefaults: [first]\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert kind(tmp_path / "experiment" / "first.yaml") == which
    monkeypatch.setattr("ganfeat.__main__.config_dir", lambda: tmp_path)
    main(["list", "experiment"])
    said = capsys.readouterr().out
    assert "Mine." in said
    assert "Mine again." in said


def test_the_first_sentence_is_taken(tmp_path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "# @package _global_\n# Of Zhu et al. 2023, in two\n# lines. More.\nx: 1  # no\n"
    )
    assert about(file) == "Of Zhu et al. 2023, in two lines."
