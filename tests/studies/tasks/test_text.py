"""Texts: one normal form, a pinned default, entropy by hand."""

from math import log
from pathlib import Path

import pytest

from studies.errors import InputError
from studies.tasks import default_text as module
from studies.tasks import king_james, read_text, unigram_entropy


def test_king_james_has_no_markup_and_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    text = king_james()
    assert len(text.content) > 4_000_000
    assert not set("[]0123456789\t\r") & set(text.content)
    assert "  " not in text.content
    monkeypatch.setattr(module, "KING_JAMES_SHA256", "0" * 64)
    with pytest.raises(InputError, match="another edition"):
        king_james()


def test_equal_texts_in_other_clothes_have_one_hash(tmp_path: Path) -> None:
    forms = ["a\u00e9 b\n\nc".encode(), "\ufeffae\u0301  b \r\n\r\n\r\n c\r\n".encode()]
    for number, raw in enumerate(forms):
        (tmp_path / str(number)).write_bytes(raw)
    assert read_text(tmp_path / "0").sha256 == read_text(tmp_path / "1").sha256


def test_entropy() -> None:
    assert f"{unigram_entropy('aaaa'):.4f}" == "0.0000"  # and not -0.0000
    assert unigram_entropy("aab") == pytest.approx(log(3) - 2 / 3 * log(2))
