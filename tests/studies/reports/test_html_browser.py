"""The pages in a real browser: no complaint, figures that show, one legend, tables that sort, light, dark and narrow.

Pictures of the pages go into the folder that the environment variable REPORT_SCREENSHOTS names, else a temporary one.
"""

import os
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from studies.reports.html import write_page
from studies.tasks import Text
from tests.studies.browser import Browser, chromium
from tests.studies.reports.pages import PAGES, SHIFTS, renamed, study

WIDE, PHONE = 1280, 390
CELLS = "[...document.querySelectorAll('#comparison ~ .table tbody tr')].map(r => r.cells[{}].textContent)"
LIT = "[...document.querySelectorAll('.on')].map(e => [e.localName, e.dataset.v])"
OVER = "document.querySelector({!r}).dispatchEvent(new PointerEvent({!r}))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(text: Text, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name, write in PAGES.items():
        folder = tmp_path_factory.mktemp(name)
        write(text, folder)
        found[name] = folder / "report.html"
    return found


@pytest.fixture(scope="module")
def page(pages: dict[str, Path]) -> Path:
    return pages["ablation"]


@pytest.fixture
def calm(browser: Browser) -> Iterator[Browser]:
    """The browser, in which the test must not raise a complaint."""
    browser.complaints.clear()
    yield browser
    browser.value("1")
    assert browser.complaints == []


@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (WIDE, True), (PHONE, False), (PHONE, True)])
@pytest.mark.parametrize("name", PAGES)
def test_shows_without_complaint(
    calm: Browser, pages: dict[str, Path], name: str, width: int, dark: bool, tmp_path: Path
) -> None:
    calm.show(pages[name], width=width, dark=dark)
    shown = calm.value(
        "[...document.querySelectorAll('figure:not([hidden]) > svg')].map(s => [s.clientWidth, s.clientHeight])"
    )
    assert len(shown) >= 1
    assert all(w > 300 and h > 60 for w, h in shown)
    # The page does not scroll sideways, and its ink stands out from its paper.
    assert calm.value("document.documentElement.scrollWidth") <= width
    ink, paper = (calm.value(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    assert (brightness(ink) > brightness(paper)) == dark
    assert abs(brightness(ink) - brightness(paper)) > 150
    names = "[...document.querySelectorAll('tbody th')].filter(t => t.offsetParent).map(t => t.clientWidth)"
    assert min(calm.value(names)) > 60  # names are not broken letter by letter
    axis = calm.value("getComputedStyle(document.querySelector('figure svg text')).fill")
    assert abs(brightness(axis) - brightness(paper)) > 150
    folder = Path(os.environ.get("REPORT_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{name}-{'phone' if width == PHONE else 'wide'}-{'dark' if dark else 'light'}.png"
    calm.screenshot(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 40_000  # an empty page has a few thousand bytes


@pytest.mark.parametrize("width", [WIDE, PHONE])
def test_an_endless_name_breaks(calm: Browser, text: Text, width: int, tmp_path: Path) -> None:
    names = {"ADAQN": "A" * 300, "Adam": "<b>" * 80, "AdaGrad": ""}
    write_page(renamed(study(text), names), tmp_path, {"e" * 300: "f" * 300})
    calm.show(tmp_path / "report.html", width=width, dark=False)
    calm.value("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert calm.value("document.documentElement.scrollWidth") <= width
    assert calm.value("document.querySelector('#comparison ~ .table .wide').scrollWidth") <= width


def brightness(colour: str) -> float:
    """Of ``rgb(r, g, b)``, from 0 to 255."""
    red, green, blue = (float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_every_letter_and_every_cell(calm: Browser, pages: dict[str, Path], name: str) -> None:
    calm.show(pages[name], width=PHONE, dark=False)
    calm.value("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    least = calm.value(
        "Math.min(...[...document.querySelectorAll('figure:not([hidden]) > svg text')].map(t => {"
        "const m = t.getScreenCTM(); return parseFloat(getComputedStyle(t).fontSize) * Math.hypot(m.a, m.b)}))"
    )
    assert least >= 7.5  # CSS pixels
    cut = calm.value(
        "[...document.querySelectorAll('.wide')].filter(b => b.scrollWidth > b.clientWidth + 1).map(b => b.innerText)"
    )
    assert cut == []
    assert calm.value("document.documentElement.scrollWidth") <= PHONE
    labels = calm.value("[...document.querySelectorAll('.sortable td')].map(t => t.dataset.label)")
    assert all(labels)


def test_the_answer_comes_first_then_the_differences(calm: Browser, page: Path) -> None:
    calm.show(page, width=WIDE, dark=False)
    tops = calm.value(
        "['.answer', '#differences', '#comparison', '#results', '#setup']"
        ".map(s => document.querySelector(s).getBoundingClientRect().top)"
    )
    assert tops == sorted(tops)
    assert tops[1] < 900  # on the first screen
    headline = calm.value("document.querySelector('.answer p').textContent")
    assert headline.startswith("On the LSTM with made-up.txt, ADAQN-RMSProp was better than ADAQN in test loss")


def test_headline_and_table_tell_the_same_p(calm: Browser, page: Path) -> None:
    calm.show(page, width=WIDE, dark=False)
    headline = calm.value("document.querySelector('.answer p').textContent")
    cells = dict(zip(calm.value(CELLS.format(0)), calm.value(CELLS.format(3)), strict=True))
    assert f"p = {cells['ADAQN-RMSProp'].removesuffix('!')} after Holm's correction" in headline


def test_pointing_lights_curve_legend_and_row(calm: Browser, page: Path) -> None:
    calm.show(page, width=WIDE, dark=False)
    assert calm.value(LIT) == []
    for selector in (".keys [data-v='3']", "#comparison ~ .table tr[data-v='3']", "figure svg g[data-v='3']"):
        calm.value(OVER.format(selector, "pointerenter"))
        lit = calm.value(LIT)
        assert {place for _, place in lit} == {"3"}
        assert {"g", "tr", "button"} <= {kind for kind, _ in lit}
        faint = calm.value("parseFloat(getComputedStyle(document.querySelector('svg g[data-v=\"1\"]')).opacity)")
        assert faint == 0.13
        calm.value(OVER.format(selector, "pointerleave"))
        assert calm.value(LIT) == []
    # Choosing keeps it, also by keyboard; Escape lets it go.
    calm.value("document.querySelector(\".keys [data-v='2']\").focus()")
    assert {place for _, place in calm.value(LIT)} == {"2"}
    calm.press("Enter")
    calm.value("document.activeElement.blur()")
    assert {place for _, place in calm.value(LIT)} == {"2"}
    assert calm.value("document.querySelector(\".keys [data-v='2']\").getAttribute('aria-pressed')") == "true"
    calm.press("Escape")
    assert calm.value(LIT) == []


def test_there_is_one_legend_of_all_variants(calm: Browser, page: Path) -> None:
    calm.show(page, width=WIDE, dark=False)
    assert calm.value("document.querySelectorAll('.keys').length") == 1
    assert calm.value("[...document.querySelectorAll('.keys button')].map(b => b.textContent)") == list(SHIFTS)
    calm.value("scrollTo(0, 3000)")
    assert calm.value("document.querySelector('.keys').getBoundingClientRect().top") == 0  # it stays in sight


def test_tabs_show_one_clock_at_a_time(calm: Browser, page: Path) -> None:
    calm.show(page, width=WIDE, dark=False)
    shown = "[...document.querySelectorAll('[id^=figure-curves]')].filter(f => !f.hidden).map(f => f.id)"
    assert calm.value(shown) == ["figure-curves-steps"]
    calm.value("document.querySelectorAll('[role=tab]')[1].click()")
    assert calm.value(shown) == ["figure-curves-work"]
    calm.value("document.querySelectorAll('[role=tab]')[1].focus()")
    calm.press("ArrowRight")
    assert calm.value(shown) == ["figure-curves-seconds"]
    assert calm.value("document.activeElement.textContent") == "seconds"


def test_long_tables_are_folded_and_can_be_searched(calm: Browser, page: Path) -> None:
    calm.show(page, width=WIDE, dark=False)
    folded = calm.value("[...document.querySelectorAll('details:not([open]) h2')].map(h => h.id)")
    assert folded == ["race", "calls", "changes", "tuning", "setup"]
    calm.value("location.hash = '#tuning'")
    assert calm.value("document.querySelector('#tuning').closest('details').querySelectorAll('tbody tr').length") == 28
    calm.value(
        "{const f = document.querySelector('#tuning').closest('details').querySelector('input');"
        "f.value = 'adagrad'; f.dispatchEvent(new Event('input'))}"
    )
    left = calm.value(
        "[...document.querySelector('#tuning').closest('details').querySelectorAll('tbody tr:not([hidden])')]"
        ".map(r => r.cells[0].textContent)"
    )
    assert left == ["AdaGrad"] * 4


def test_figures_can_be_downloaded(calm: Browser, page: Path) -> None:
    calm.show(page, width=WIDE, dark=False)
    links = calm.value("[...document.querySelectorAll('.download a')].map(a => [a.download, a.href])")
    assert len(links) == 2 * calm.value("document.querySelectorAll('figure').length")
    for name, link in links:
        text = b64decode(link.partition("base64,")[2])
        if name.endswith(".svg"):
            assert ElementTree.fromstring(text).tag.endswith("svg")
        else:
            assert text.count(b"\r\n") > 3
    assert calm.value("[...document.querySelectorAll('[src], link[href]')].map(e => e.src || e.href)") == ["data:,"]


def test_tables_sort_by_number_both_ways(calm: Browser, page: Path) -> None:
    calm.show(page, width=WIDE, dark=False)
    click = "document.querySelectorAll('#comparison ~ .table thead button')[{}].click()"
    calm.value(click.format(1))
    losses = [float(cell.split(" ")[0]) for cell in calm.value(CELLS.format(1))]
    assert losses == sorted(losses)
    assert calm.value("document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "ascending"
    calm.value(click.format(1))
    turned = [float(cell.split(" ")[0]) for cell in calm.value(CELLS.format(1))]
    assert turned == losses[::-1]
    calm.value(click.format(0))
    names = calm.value(CELLS.format(0))
    assert names == sorted(names, key=str.casefold)
    assert calm.value("document.querySelectorAll('[aria-sort]').length") == 1
    calm.value(click.format(2))
    assert calm.value(CELLS.format(2))[-1] == "–"  # what has no number goes last


def test_the_browser_would_notice(browser: Browser, tmp_path: Path) -> None:
    """The test of the test: an error in the page's script is a complaint."""
    broken = tmp_path / "broken.html"
    broken.write_text("<title>x</title><link rel=icon href='data:,'><script>missing.name()</script>")
    browser.complaints.clear()
    browser.show(broken, width=WIDE, dark=False)
    browser.value("1")
    assert any("missing" in complaint for complaint in browser.complaints)
