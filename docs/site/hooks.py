"""What MkDocs does beyond its plugins: links out of docs/, the records as pages with a gallery, formulas as MathML."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "studies" / "records"
LINK = re.compile(r"\]\(\.\./(?!\.\./)([^)\s]+)\)")
FORMULA = re.compile(r"\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)
ARITHMATEX = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the records, which lie beside the code that made them, and a gallery of their figures."""
    for path in sorted((*RECORDS.glob("*.md"), *RECORDS.glob("*/README.md"), *RECORDS.glob("*/figures/*"))):
        name = f"records/{path.relative_to(RECORDS).as_posix()}"
        files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, "records/gallery.md", content=gallery()))
    return files


def gallery() -> str:
    """Every record: its question, its answer in a sentence, its loss curves."""
    cards = "\n\n".join(_card(record) for record in sorted(RECORDS.glob("*_*/")))
    head = "---\nhide: [toc]\n---\n\n# Gallery of records\n\n"
    head += "Every finished study of ours: its question, its answer, and the validation loss over steps. "
    head += "Read together: [the overview](README.md).\n\n"
    return f'{head}<div class="grid cards gallery" markdown>\n\n{cards}\n\n</div>\n'


def _card(record: Path) -> str:
    text = (record / "README.md").read_text(encoding="utf-8")
    question = text.partition("\n")[0].removeprefix("# ")
    answer = text.partition("## Answer")[2].strip().partition("\n")[0].partition("; so w")[0].rstrip(".")
    name = record.name.partition("_")[2]
    figure = f"![{name}]({record.name}/figures/curves-steps.svg){{ loading=lazy }}"
    return "\n\n    ".join((f"- **[{name}: {question}]({record.name}/README.md)**", f"{answer}.", figure))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links from docs/ to other folders: to the records' pages, else to the repository."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    if "/" in page.file.src_uri:
        return markdown

    def turned(match: re.Match[str]) -> str:
        target = match[1]
        if target.startswith("studies/records/"):
            return f"](records/{target.removeprefix('studies/records/')})"
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"]({config.repo_url}/{kind}/main/{target})"

    return LINK.sub(turned, markdown)


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """Put MathML, which browsers draw by themselves, for TeX."""
    return ARITHMATEX.sub(lambda match: _mathml(match[2]), content)


def _mathml(text: str) -> str:
    found = FORMULA.search(html.unescape(text))
    assert found, text
    inline, block = found.groups()
    return convert(inline or block, display="inline" if inline else "block")
