"""Pages and report in a real browser without network: no complaint, and everything visible."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.repo.pages import built

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PAGES = (
    "index.html",
    "tutorial.html",
    "how-to.html",
    "theory.html",
    "statements.html",
    "bai-et-al-2024.html",
    "solving.html",
    "reference/persuasion.html",
)
SCREENS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
}
LOOK = """() => {
  const shown = x => { const r = x.getBoundingClientRect(); return r.width > 1 && r.height > 1; };
  const light = colour => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return a === 0 ? null : (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  };
  let paper = null;
  for (let x = document.querySelector("h1"); x && paper === null; x = x.parentElement)
    paper = light(getComputedStyle(x).backgroundColor);
  const pictures = [...document.querySelectorAll("article img, main img")];
  const drawings = [...document.querySelectorAll("figure svg")];
  return {
    ink: light(getComputedStyle(document.querySelector("h1")).color),
    paper: paper ?? 1,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    pictures: pictures.length + drawings.length,
    blank: pictures.filter(x => !x.complete || x.naturalWidth === 0 || !shown(x)).map(x => x.src)
      .concat(drawings.filter(x => x.checkVisibility() && !shown(x)).map(x => "svg")),
    formulas: document.querySelectorAll("math").length,
    flat: [...document.querySelectorAll("math")]
      .filter(x => x.checkVisibility() && !shown(x)).length,
  };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: run tests/repo/install_chromium.sh")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="pip install 'persuasion[browser]'"
    )
    with sync_api.sync_playwright() as playwright:
        # without its sandbox, which a container often does not permit; it shows our own files only
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def seen(browser: Browser, url: str, screen: str, picture: Path | None = None) -> dict[str, Any]:
    """Return what is to be seen on a page, with complaints and requests to elsewhere."""
    context = browser.new_context(**SCREENS[screen], offline=True)
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda x: x.type in ("error", "warning") and complaints.append(x.text))
    page.on("pageerror", lambda x: complaints.append(str(x)))
    page.on("request", lambda x: x.url.startswith(("file:", "data:")) or complaints.append(x.url))
    page.goto(url, wait_until="load")
    found: dict[str, Any] = page.evaluate(LOOK)
    if picture is not None:
        page.screenshot(path=picture, full_page=True)
    context.close()
    return {**found, "complaints": complaints}


def check(found: dict[str, Any], screen: str) -> None:
    """Fail unless the page is quiet, fits, and is dark where dark is asked for."""
    assert found["complaints"] == []
    assert found["overflow"] <= 0
    assert found["blank"] == []
    assert found["flat"] == 0
    assert abs(found["ink"] - found["paper"]) > 0.5, "text that cannot be read"
    assert (found["paper"] < 0.5) == (screen == "dark")


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", PAGES)
def test_page(browser: Browser, name: str, screen: str, tmp_path: Path) -> None:
    found = seen(browser, (built() / name).as_uri(), screen, tmp_path / "page.png")
    check(found, screen)
    assert (tmp_path / "page.png").stat().st_size > 10_000
    if name == "tutorial.html":
        assert found["pictures"] == 1
    if name == "theory.html":
        assert found["formulas"] > 300


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the demo's report, with the sections that take no training."""
    from persuasion import demo

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "producers", lambda: iter(()))
        return demo.run(tmp_path_factory.mktemp("demo"), quiet=True).report


@pytest.mark.parametrize("screen", SCREENS)
def test_report(browser: Browser, report: Path, screen: str) -> None:
    found = seen(browser, report.as_uri(), screen)
    check(found, screen)
    assert found["pictures"] >= 2


def test_search_finds_without_network(browser: Browser) -> None:
    context = browser.new_context(offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda x: complaints.append(str(x)))
    page.on("console", lambda x: x.type == "error" and complaints.append(x.text))
    page.goto(f"{(built() / 'search.html').as_uri()}?q=obedience")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    assert complaints == []
    context.close()


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "complaints"),
        ("<script>undefined.x</script>", "complaints"),
        ('<main><img src="missing.png" width="9" height="9"></main>', "blank"),
        ('<div style="width: 3000px">wide</div>', "overflow"),
        ("<style>h1 { color: #eee }</style>", "ink"),
    ],
    ids=["network", "error", "picture", "overflow", "contrast"],
)
def test_faults_are_seen(browser: Browser, body: str, fault: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><h1>Title</h1>{body}")
    with pytest.raises(AssertionError):
        check(seen(browser, page.as_uri(), "light"), "light")
    page.write_text("<!doctype html><h1>Title</h1>")
    healthy = seen(browser, page.as_uri(), "light")
    check(healthy, "light")
    assert fault in healthy
