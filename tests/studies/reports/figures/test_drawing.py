"""A figure as a file: whole SVG on white with its legend, numbers that a spreadsheet takes, names that do no harm."""

import csv
import io
from base64 import b64decode
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from studies.analysis.summary import Summary
from studies.reports.figures.drawing import Drawing, Key, picture
from studies.reports.figures.page import pictures
from studies.reports.figures.style import SIZE, line, mark, style
from studies.tasks import Text
from tests.studies.reports.pages import SHIFTS, renamed, study

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<script>alert(1)</script>\x1b&\"'"


@pytest.fixture(scope="module")
def summary(text: Text) -> Summary:
    return study(text)


def drawn(names: list[str]) -> Drawing:
    with style("x"):
        figure = Figure(figsize=SIZE)
        axes = figure.add_subplot()
        for place, _ in enumerate(names):
            axes.plot([0, 1], [place, place], **line(place))
    keys = [Key(place=place, name=name, colour="#123456", dashes="5 2") for place, name in enumerate(names)]
    return Drawing(figure=figure, caption=EVIL, data=[["name"], *([name] for name in names)], keys=keys)


def test_each_part_says_which_row_it_shows() -> None:
    with style("x"):
        made = picture("x", "s", drawn(["a", "b"]))
    for text in (made.svg, made.file):
        assert [text.count(f'data-v="{place}"') > 0 for place in range(3)] == [True, True, False]
        assert f'id="{mark(0)}' not in text


def test_the_file_is_whole_and_has_its_legend() -> None:
    names = [f"variant number {n}" for n in range(12)]
    with style("x"):
        made = picture("x", "s", drawn(names))
    root = ElementTree.fromstring(made.file)
    assert root.tag == f"{SVG}svg"
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert [name for name in names if name in texts] == names
    width, height = (float(root.attrib[side].removesuffix("pt")) for side in ("width", "height"))
    assert height > SIZE[1] * 72
    places = [(float(t.attrib["x"]), float(t.attrib["y"])) for t in root.iter(f"{SVG}text") if "x" in t.attrib]
    assert all(0 <= x < width and 0 <= y < height for x, y in places)
    assert len(set(places)) == len(places)
    assert root.find(f"{SVG}rect") is not None  # the white ground


def test_no_name_gets_out_of_its_place() -> None:
    with style("x"):
        made = picture("x", "s", drawn([EVIL]))
    assert "<script" not in made.svg + made.file
    ElementTree.fromstring(made.file)
    label = made.svg.partition('aria-label="')[2].partition('"')[0]
    assert label == "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b&amp;&quot;&#x27;"


def test_the_links_hold_the_file_and_the_numbers(summary: Summary) -> None:
    found = list(pictures(summary))
    assert [each.name for each in found] == [
        "differences", "curves-steps", "curves-work", "curves-seconds", "profiles", "rates", "windows",
    ]  # fmt: skip
    for each in found:
        (_, svg_name, svg), (_, csv_name, numbers) = each.links
        assert (svg_name, csv_name) == (f"{each.name}.svg", f"{each.name}.csv")
        ElementTree.fromstring(b64decode(svg.partition("base64,")[2]))
        lines = list(csv.reader(io.StringIO(b64decode(numbers.partition("base64,")[2]).decode(), newline="")))
        assert len({len(line) for line in lines}) == 1
        assert len(lines) > 3
        assert set(SHIFTS) & {cell for line in lines for cell in line}


def test_the_same_study_gives_the_same_bytes(summary: Summary) -> None:
    assert list(pictures(summary)) == list(pictures(summary))


def test_a_script_that_the_font_lacks_is_no_complaint(summary: Summary, recwarn: pytest.WarningsRecorder) -> None:
    assert list(pictures(renamed(summary, {"Adam": "\u6f22\u5b57"})))
    assert [str(warning.message) for warning in recwarn] == []


def test_an_endless_name_widens_no_file(summary: Summary) -> None:
    for made in pictures(renamed(summary, {"Adam": "x" * 300})):
        assert "x" * 101 not in made.svg.split(">", 1)[1]  # behind the label for who cannot see it
        assert "x" * 101 not in made.file
