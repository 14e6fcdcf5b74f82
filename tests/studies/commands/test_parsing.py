"""Words that are no command: one sentence that names what was meant; help and completion."""

import subprocess
from pathlib import Path

import pytest

from studies.__main__ import main
from tests.studies.conftest import Refused


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("", "A command is missing: choose from ablate, search, "),
        ("ablat", "There is no command named 'ablat' (did you mean ablate?): choose from ablate, "),
        ("Report x", "There is no command named 'Report' (did you mean report?)"),
        ("train", "There is no command named 'train': choose from ablate, "),
        ("ablate --fcator guard", "ablate has no option --fcator (did you mean --factor?): "),
        ("ablate --fcator=guard", "ablate has no option --fcator (did you mean --factor?): "),
        ("ablate --factors guard", "ablate has no option --factors (did you mean --factor?): "),
        ("convex --factor guard", "convex has no option --factor (is it another command's?): "),
        (
            "ablate --factor gaurd",
            "There is no factor named 'gaurd' (did you mean guard?): choose from pair-generator,",
        ),
        ("ablate --task charaters", "There is no task named 'charaters' (did you mean characters?): choose from "),
        ("ablate --tune momentun", "There is no field to tune named 'momentun' (did you mean momentum?): choose from "),
        ("search --factors gard", "There is no factor named 'gard' (did you mean guard?): choose from "),
        ("search --base adaqn", "There is no base named 'adaqn' (did you mean ADAQN?): choose from ADAQN, "),
        ("convex --data digit", "There is no data set named 'digit' (did you mean digits?): choose from digits, "),
        ("audit --matrix hesian", "There is no matrix named 'hesian' (did you mean hessian?): choose from gauss"),
        ("ablate --steps x", "--steps 'x' is not a whole number: "),
        ("ablate --ema x", "--ema 'x' is not a number: "),
        ("ablate --side-by-side x", "--side-by-side 'x' is not a whole number or auto: "),
        ("ablate --lr 1 z", "--lr '1' 'z' is not a row of numbers: "),
        ("ablate --workers", "Missing value for argument '--workers': "),
        ("ablate --dry-run --variants", "--variants names no variant: give one or more after it, or leave it out."),
        ("search --dry-run --factors", "--factors names no factor: give one or more after it, or leave it out."),
        ("--hlep", "There is no option --hlep (did you mean --help?): "),
        ("ablate more", "Unrecognized options: more: "),
        ("--steps 3", "Unrecognized or misplaced options: --steps: "),
        ("report", "PATH is missing: "),
        ("ablate --tyro-print-completion bash", "ablate has no option --tyro-print-completion ("),
        ("--tyro-print-completion", "--tyro-print-completion needs a shell: "),
        ("--tyro-print-completion csh", "--tyro-print-completion needs a shell: "),
    ],
)
def test_refuses_in_one_sentence(given: str, sentence: str, refused: Refused) -> None:
    assert refused(*given.split()).startswith(sentence)


def helped(capsys: pytest.CaptureFixture[str], *given: str) -> str:
    with pytest.raises(SystemExit) as end:
        main([*given])
    assert not end.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    ["", "ablate", "search", "variants", "report", "record", "worker", "proxy", "convex", "throughput", "audit"],
)
def test_help_fits_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = helped(capsys, *command.split(), "--help").splitlines()
    assert lines[0].startswith(f"usage: python -m studies{' ' * bool(command)}{command}")
    usage = 1 if command else 2  # the list of the commands is the usage's one long line
    assert [line for line in lines[usage - 1 :] if len(line) > 80 and not line.startswith("usage: ")] == []


def test_help_shows_choices_and_no_default_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    told = " ".join(helped(capsys, "ablate", "--help").replace("│", " ").split())
    assert "--schedule {constant,linear,cosine}" in told
    assert "--budget {small,answer,full,smoke}" in told
    assert "(default: lstm)" in told
    assert "None" not in told


def test_texts_of_the_help_have_no_line_ends_of_the_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.strip(" │|") for line in helped(capsys, "ablate", "--help").splitlines()]
    begin = next(n for n, line in enumerate(lines) if line.startswith("--workers"))
    text = lines[begin + 1 : next(n for n, line in enumerate(lines) if line.startswith("--device"))]
    assert all(len(line) > 50 for line in text[:-1])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_for_the_script_alone(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    script = helped(capsys, "--tyro-print-completion", shell)
    assert "adaqn-studies" in script
    assert "python -m studies" not in script


def test_bash_completes_options_and_choices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "complete.sh").write_text(helped(capsys, "--tyro-print-completion", "bash"))
    asked = """
        source complete.sh
        COMP_WORDS=(adaqn-studies ablate --budg); COMP_CWORD=2; COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
        $(complete -p adaqn-studies | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo "${COMPREPLY[@]}"
        complete -p python python3 && exit 1
        exit 0
    """
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--budget" in done.stdout
