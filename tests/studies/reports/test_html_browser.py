"""The report's page in a real browser: no complaint, figures that show, tables that sort, light, dark and narrow."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.studies.browser import Browser, chromium

WIDE, PHONE = 1280, 390
CELLS = "[...document.querySelectorAll('#comparison + div tbody tr')].map(r => r.cells[{}].textContent)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(finished: tuple[Path, str]) -> Path:
    return finished[0] / "report.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_shows_without_complaint(browser: Browser, page: Path, width: int, dark: bool, tmp_path: Path) -> None:
    browser.complaints.clear()
    browser.show(page, width=width, dark=dark)
    shown = browser.value("[...document.querySelectorAll('figure svg')].map(s => [s.clientWidth, s.clientHeight])")
    assert len(shown) >= 5
    assert all(w > 300 and h > 60 for w, h in shown)
    # Nothing but the tables' own boxes scrolls sideways, and the page's ink stands out from its paper.
    assert browser.value("document.documentElement.scrollWidth") <= width
    ink, paper = (browser.value(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    assert (brightness(ink) > brightness(paper)) == dark
    assert abs(brightness(ink) - brightness(paper)) > 150
    first = "[...document.querySelectorAll('tbody th')].map(t => t.clientWidth)"
    assert min(browser.value(first)) > 60  # names are not broken letter by letter
    axis = browser.value("getComputedStyle(document.querySelector('figure svg text')).fill")
    assert abs(brightness(axis) - brightness(paper)) > 150
    picture = tmp_path / "page.png"
    browser.screenshot(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 50_000  # an empty page has a few thousand bytes
    assert browser.complaints == []


def brightness(colour: str) -> float:
    """Of ``rgb(r, g, b)``, from 0 to 255."""
    red, green, blue = (float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_letters_in_figures_can_be_read_on_a_phone(browser: Browser, page: Path) -> None:
    browser.show(page, width=PHONE, dark=False)
    least = browser.value(
        "Math.min(...[...document.querySelectorAll('figure svg text')].map(t => {"
        "const m = t.getScreenCTM(); return parseFloat(getComputedStyle(t).fontSize) * Math.hypot(m.a, m.b)}))"
    )
    assert least >= 7.5  # CSS pixels


def test_tables_sort_by_number_both_ways(browser: Browser, page: Path) -> None:
    browser.show(page, width=WIDE, dark=False)
    browser.complaints.clear()
    click = "document.querySelectorAll('#comparison + div thead button')[{}].click()"
    browser.value(click.format(1))
    losses = [float(cell.split(" ")[0]) for cell in browser.value(CELLS.format(1))]
    assert losses == sorted(losses)
    assert browser.value("document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "ascending"
    browser.value(click.format(1))
    turned = [float(cell.split(" ")[0]) for cell in browser.value(CELLS.format(1))]
    assert turned == losses[::-1]
    browser.value(click.format(0))
    names = browser.value(CELLS.format(0))
    assert names == sorted(names, key=str.casefold)
    assert browser.value("document.querySelectorAll('[aria-sort]').length") == 1
    browser.value(click.format(2))
    assert browser.value(CELLS.format(2))[-1] == "–"  # what has no number goes last
    assert browser.complaints == []


def test_the_browser_would_notice(browser: Browser, tmp_path: Path) -> None:
    """The test of the test: an error in the page's script is a complaint."""
    broken = tmp_path / "broken.html"
    broken.write_text("<title>x</title><link rel=icon href='data:,'><script>missing.name()</script>")
    browser.complaints.clear()
    browser.show(broken, width=WIDE, dark=False)
    browser.value("1")
    assert any("missing" in complaint for complaint in browser.complaints)
