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
    cards = [_card(record) for record in sorted(RECORDS.glob("*_*/"))]
    return (
        "---\nhide: [toc]\n---\n\n# Gallery of records\n\n"
        "Every finished study: its question, its answer, the validation loss over steps. What they say together: "
        'the [overview](README.md).\n\n<div class="grid cards" markdown>\n\n' + "\n\n".join(cards) + "\n\n</div>\n"
    )


def _card(record: Path) -> str:
    text = (record / "README.md").read_text(encoding="utf-8")
    question = text.partition("\n")[0].removeprefix("# ")
    answer = text.partition("## Answer")[2].strip().partition("\n")[0]
    figure = f"{record.name}/figures/curves-steps.svg"
    lines = [f"- **[{question}]({record.name}/README.md)**", answer, f"![{record.name}]({figure}){{ loading=lazy }}"]
    return "\n\n    ".join(lines)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links from docs/ to other folders: to the records' pages, else to the repository."""
    if page.file.src_uri.count("/"):
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
