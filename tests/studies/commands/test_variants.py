"""The command ``variants``."""

import pytest

from studies.__main__ import main
from studies.variants.names import FACTORS, known_variants


def test_variants_lists_every_question_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["variants"]) == 0
    told = capsys.readouterr().out
    names = told.replace(":", " ").split()
    assert set(known_variants(50)) <= set(names)
    for factor in FACTORS.values():
        assert f"{factor.name}: {factor.question}" in told
