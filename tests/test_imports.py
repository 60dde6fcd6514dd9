"""Imports go one way (design, section 2), Hydra stays in two modules, wandb may be absent."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ganfeat"

BASE = {
    "errors", "ending", "files", "build", "networks", "loading", "processes", "ranges", "seeds",
    "results",
}  # fmt: skip
METHODS = {"generators", "encoders", "navigators"}
MAY_IMPORT = {
    "errors": set(),
    "ending": {"errors"},
    "files": {"errors"},
    "processes": {"errors"},
    "ranges": {"errors"},
    "seeds": set(),
    "results": {"errors"},
    "build": {"errors", "ranges"},
    "networks": {"build", "errors", "files"},
    "loading": {"errors", "files", "networks", "results"},
    "checks": {"build", "errors", "ranges"},
    "sweeps": {"errors", "files"},
    "config": {"build", "checks", "errors"},
    "entry": {"config", "ending", "errors", "sweeps"},
    "backbone": BASE,
    "data": BASE,
    "features": BASE,
    "pictures": {"features", "files"},
    "pages": {"features", "pictures"},
    "training": BASE | {"backbone", "data", "features", "pictures"},
    **{
        name: BASE | {"backbone", "data", "features", "training", "pages", "pictures"}
        for name in METHODS
    },
    "metrics": BASE | {"backbone", "data", "features", "pages"},
    "tasks": BASE | {"backbone", "data", "features", "metrics", "pages", "pictures"},
    "report": BASE,
}


def violations(source: Path) -> list[str]:
    """Each import that breaks a rule, as ``file:line imports module``."""
    return [
        f"{file.relative_to(source)}:{line} imports {module}"
        for file in sorted(source.rglob("*.py"))
        for module, line, inside in imports(ast.parse(file.read_text()))
        if not allowed(file.relative_to(source), module, inside)
    ]


def imports(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """Every imported module, its line, and whether that is inside a function."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            whole = module != "ganfeat"
            names = [module] if whole else [f"ganfeat.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, node.lineno, id(node) in inner


def allowed(file: Path, module: str, inside: bool) -> bool:
    top, _, rest = module.partition(".")
    part, target = file.parts[0].removesuffix(".py"), rest.partition(".")[0]
    if top in ("hydra", "omegaconf"):
        return part in ("config", "entry")
    if top == "wandb":
        return inside
    if top == "ganfeat":
        return part not in MAY_IMPORT or target in MAY_IMPORT[part] | {part}
    return top != ""  # a relative import would hide where it goes


def test_the_package_keeps_the_rules():
    assert len(list(SOURCE.rglob("*.py"))) > 20
    assert violations(SOURCE) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("backbone/a.py", "from ganfeat.training.losses import r1_penalty"),
        ("backbone/a.py", "import ganfeat.data.images"),
        ("data/a.py", "from ganfeat import backbone"),
        ("data/a.py", "from ganfeat.backbone import Generator"),
        ("features/a.py", "from ganfeat.training.draws import Draws"),
        ("training/a.py", "from ganfeat.generators.stylegan2 import StyleGAN2"),
        ("generators/a.py", "from ganfeat.metrics import fid"),
        ("metrics/a.py", "def f():\n    from ganfeat.encoders.ghfeat import GHFeat"),
        ("tasks/a.py", "from ganfeat.training import run"),
        ("report/a.py", "import ganfeat.training.run"),
        ("training/a.py", "import hydra"),
        ("build.py", "from omegaconf import OmegaConf"),
        ("training/a.py", "import wandb"),
        ("training/a.py", "from wandb.sdk import Run"),
        ("training/a.py", "from .record import RunFolder"),
    ],
)
def test_each_rule_can_fail(tmp_path: Path, file: str, line: str):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(line)
    assert [text.partition(":")[0] for text in violations(tmp_path)] == [file]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("data/a.py", "from ganfeat.data.images import ImageDataset"),
        ("generators/a.py", "from ganfeat.training.method import Method"),
        ("training/a.py", "def f():\n    import wandb"),
        ("config.py", "import hydra"),
    ],
)
def test_what_is_allowed(tmp_path: Path, file: str, line: str):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(line)
    assert violations(tmp_path) == []
