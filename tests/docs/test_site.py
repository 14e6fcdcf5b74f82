"""The site is built without a warning, and shows in a real browser: light, dark, and on a phone.

``SITE_SCREENSHOTS=FOLDER`` in the environment keeps the pictures.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import Once
from tests.docs.blocks import ROOT
from tests.studies.browser import Browser, chromium

WIDE, PHONE = 1280, 390
PACKAGES = ("mkdocs", "material", "mkdocstrings_handlers", "latex2mathml")
missing = [name for name in PACKAGES if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"without {missing}: pip install 'adaqn-lab[docs]'")


def build(place: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place), *options]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def site(once: Once) -> Path:
    def make(place: Path) -> None:
        done = build(place)
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr

    return once("site", make)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(scope="module", params=[False, True], ids=["light", "dark"])
def dark(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def browser(dark: bool) -> Iterator[Browser]:
    """One for each colour scheme: the site stores the scheme that it began with."""
    with chromium() as opened:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        opened.ask("Emulation.setEmulatedMedia", features=scheme)
        yield opened


def show(browser: Browser, url: str, *, width: int = WIDE) -> None:
    """Open the page at a width, and wait until it is complete."""
    browser.complaints.clear()
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    browser.ask("Page.navigate", url=url)
    for _ in range(400):
        if browser.value("document.readyState + location.href") == f"complete{url}":
            return
        time.sleep(0.05)
    pytest.fail(f"{url} did not load")


@pytest.mark.parametrize("width", [WIDE, PHONE])
@pytest.mark.parametrize("page", ["index", "train-an-lstm", "parts", "records/gallery"])
def test_shows_without_complaint(
    browser: Browser, address: str, page: str, width: int, dark: bool, tmp_path: Path
) -> None:
    show(browser, f"{address}/{page}.html", width=width)
    assert browser.value("document.querySelector('h1').textContent.length") > 5
    assert browser.value("document.documentElement.scrollWidth") <= width  # nothing but boxes of their own scrolls
    assert browser.value("document.body.dataset.mdColorScheme") == ("slate" if dark else "default")
    folder = Path(os.environ.get("SITE_SCREENSHOTS") or tmp_path)
    picture = folder / f"{page.replace('/', '-')}-{width}-{'dark' if dark else 'light'}.png"
    browser.screenshot(picture)
    assert picture.stat().st_size > 20_000  # an empty page has a few thousand bytes
    assert browser.complaints == []


def test_formulas_are_drawn_by_the_browser(browser: Browser, address: str) -> None:
    show(browser, f"{address}/parts.html")
    sizes = browser.value("[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().height)")
    assert len(sizes) > 15
    assert all(height > 5 for height in sizes)
    assert "\\frac" not in browser.value("document.body.innerText")


def test_nothing_is_loaded_from_elsewhere(browser: Browser, address: str) -> None:
    show(browser, f"{address}/index.html")
    loaded = browser.value("performance.getEntriesByType('resource').map(e => e.name)")
    assert loaded
    assert [name for name in loaded if not name.startswith(address)] == []


def test_the_reference_has_every_public_name(site: Path) -> None:
    import adaqn_lab
    import studies
    import verification

    pages = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    for package in (adaqn_lab, verification, studies):
        lost = [name for name in package.__all__ if f'{name}"' not in pages]
        assert lost == [], package.__name__


def test_every_record_has_a_page_with_its_figures(site: Path) -> None:
    records = sorted((ROOT / "studies/records").glob("*_*/"))
    gallery = (site / "records/gallery.html").read_text(encoding="utf-8")
    assert len(records) > 15
    for record in records:
        assert (site / "records" / record.name / "index.html").exists()
        assert (site / "records" / record.name / "figures" / "curves-steps.svg").exists()
        assert f'{record.name}/index.html"' in gallery


def test_a_dead_link_is_an_error(tmp_path: Path) -> None:
    """The test of the test: the same settings, a page with a link to nowhere and one to no heading."""
    for name in ("mkdocs.yml", "docs/site/hooks.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    head, tail = settings.partition("\nnav:")[0], settings.partition("\nmarkdown_extensions:")[2]
    text = f"{head}\nmarkdown_extensions:{tail}".replace("strict: true\n", "")
    (tmp_path / "mkdocs.yml").write_text(text, encoding="utf-8")
    (tmp_path / "docs/index.md").write_text("# A\n\n[x](nowhere.md) [y](#none)\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr
    assert "#none" in done.stderr
