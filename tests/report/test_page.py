"""``report.html`` in a browser: it needs nothing else, its tables sort and its strips play."""

import base64
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganfeat.report.figures import draw
from ganfeat.report.page import kept_pictures, write_page
from ganfeat.report.study import Study
from ganfeat.report.tables import Absent

BROWSER = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ROWS, FRAMES, SIDE, LEFT = 2, 3, 16, 20


def strip() -> Image.Image:
    """Two rows of three frames, each of one grey, with a white part on the left."""
    pixels = np.full([ROWS * SIDE, LEFT + FRAMES * SIDE], 255, dtype=np.uint8)
    for row in range(ROWS):
        for frame in range(FRAMES):
            x = LEFT + frame * SIDE
            pixels[row * SIDE : (row + 1) * SIDE, x : x + SIDE] = 40 * (1 + frame) + 10 * row
    return Image.fromarray(pixels)


def record(value: float | None, seed: int) -> dict[str, Any]:
    metric = {"name": "fid", "value": value, "protocol": {}, "better": "lower"}
    return {
        "status": "finished", "experiment": "hsr", "run": f"0-s{seed}", "commit": "abc",
        "seed": seed, "kimg": 1.0, "seconds": 60.0, "metrics": [metric],
        "overrides": ["experiment=hsr", "method.taps=[8,16]"],
        "config": {"method": {"weight": 1.0}},
        "sessions": [
            {"commit": name, "machine": {"device": "EPYC"}, "kimg": kimg}
            for name, kimg in {"abb": 0, "abc": 0.5}.items()
        ],
        "arrays": {
            "strips": {"paths": {"rows": ROWS, "frames": FRAMES}},
            "progress/kimg": [0.0, 1.0], "loss/main": [1.0, 0.5],
        },
    }  # fmt: skip


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report of three arms, with a strip, a grid and a failure."""
    arms = {"plain": [], "more": [], "<odd>": []}
    study = Study(tmp_path, "Is `a` < b?", "Yes.", "plain", [0], arms, ["fid"], ["plain", "more"])
    done = {
        ("plain", 0): record(10.5, 0), ("more", 0): record(9.75, 0), ("<odd>", 0): record(None, 0),
    }  # fmt: skip
    (tmp_path / "runs").mkdir()
    strip().save(tmp_path / "runs" / "plain-s0-paths.png")
    strip().save(tmp_path / "runs" / "more-s0-samples-00001.000.png")
    return write_page(
        study, done, Absent([("third", 0)], ["third-s0: failed (it broke & burnt)"]),
        draw(study, done), kept_pictures(study, done),
    )  # fmt: skip


def test_it_is_one_file_with_everything_in_it(report: Path) -> None:
    text = report.read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*""", text)
    (source,) = re.findall(r'data:image/png;base64,([^"]*)" alt="paths of plain"', text)
    assert base64.b64decode(source) == (report.parent / "runs/plain-s0-paths.png").read_bytes()
    assert "Is <code>a</code> &lt; b?" in text
    assert "<odd>" not in text
    assert "third-s0: failed (it broke &amp; burnt)" in text
    assert "python train.py experiment=hsr &#39;method.taps=[8,16]&#39;" in text
    assert "weight: 1.0" in text
    assert "from 0 kimg at abb on EPYC; from 0.5 kimg at abc on EPYC" in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; skipped where there is none, but not in CI."""
    if BROWSER is None:
        message = "there is no chromium: apt-get install chromium"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield opened
        opened.close()


class Page:
    """A report that is open, and what the browser complains of."""

    def __init__(self, browser: Any, report: Path, width: int = 1280, scheme: str = "light"):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.asked_for: list[str] = []
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked_for.append(request.url))
        self.page.goto(report.as_uri())
        self.page.wait_for_selector(".strip canvas", state="attached")

    def heard(self, said: Any) -> None:
        """Keep what is said, but for advice on how the test itself reads canvases."""
        if "willReadFrequently" not in said.text:
            self.complaints.append(said.text)

    def column(self, heading: str) -> list[str]:
        """The texts of the column that has just been sorted by."""
        return [
            row.inner_text()
            for row in self.page.locator("#all-metrics tbody tr").locator("th").all()
        ]

    def grey(self, row: int) -> int:
        """What the canvas shows in the middle of a row's frame."""
        x, y = LEFT + SIDE // 2, row * SIDE + SIDE // 2
        script = f"c => c.getContext('2d').getImageData({x}, {y}, 1, 1).data[0]"
        return int(self.page.locator(".strip canvas").evaluate(script))


@pytest.mark.slow
def test_tables_sort_and_what_has_no_number_stays_below(report: Path, browser: Any) -> None:
    page = Page(browser, report)
    heading = page.page.locator("#all-metrics thead th", has_text="fid")
    heading.click()
    assert page.column("fid") == ["more", "plain", "<odd>"]
    assert heading.get_attribute("aria-sort") == "ascending"
    heading.press("Enter")
    assert page.column("fid") == ["plain", "more", "<odd>"]
    page.page.locator("#all-metrics thead th", has_text="arm").click()
    assert page.column("arm") == ["<odd>", "more", "plain"]
    assert page.complaints == []
    assert [url for url in page.asked_for if not url.startswith(("file:", "data:"))] == []


@pytest.mark.slow
def test_strips_play(report: Path, browser: Any) -> None:
    page = Page(browser, report)
    image, canvas = page.page.locator(".strip img"), page.page.locator(".strip canvas")
    assert image.is_visible()
    assert not canvas.is_visible()
    slider = page.page.locator(".strip input")
    slider.evaluate("s => { s.value = 2; s.dispatchEvent(new Event('input')); }")
    assert canvas.is_visible()
    assert not image.is_visible()
    assert [page.grey(0), page.grey(1)] == [120, 130]
    slider.evaluate("s => { s.value = 0; s.dispatchEvent(new Event('input')); }")
    assert [page.grey(0), page.grey(1)] == [40, 50]
    play = page.page.locator(".strip button").first
    play.click()
    assert play.inner_text() == "pause"
    page.page.wait_for_function("document.querySelector('.strip input').value === '2'")
    page.page.wait_for_function("document.querySelector('.strip input').value === '0'")  # and back
    play.click()
    assert play.inner_text() == "play"
    page.page.locator(".strip button", has_text="all frames").click()
    assert image.is_visible()
    assert page.complaints == []


@pytest.mark.slow
def test_on_a_phone_in_the_dark_and_on_paper(report: Path, browser: Any) -> None:
    phone = Page(browser, report, width=390)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    dark = Page(browser, report, scheme="dark")

    def light_of(script: str) -> float:
        colour = re.findall(r"[\d.]+", dark.page.evaluate(script))
        return sum(float(x) for x in colour[:3]) / 3

    assert light_of("getComputedStyle(document.body).backgroundColor") < 60
    assert light_of("getComputedStyle(document.body).color") > 200
    assert light_of("getComputedStyle(document.querySelector('.drawn svg text')).fill") > 200
    paper = Page(browser, report, scheme="dark")
    paper.page.emulate_media(media="print")
    assert not paper.page.locator("nav").is_visible()
    black = paper.page.evaluate("getComputedStyle(document.body).color")
    assert re.findall(r"\d+", black)[:3] == ["0", "0", "0"]
    assert [*phone.complaints, *dark.complaints, *paper.complaints] == []
