"""Records that somebody tampered with, or that a disk or an editor spoiled: what was done to each."""

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studies.reports.record_pages import BEGIN, END

Attack = Callable[[Path], object]
CONFIGURATION, ENVIRONMENT, README, ROWS = "configuration.json", "environment.json", "README.md", "rows.csv"
NEEDED = ("text", "text_sha256", "text_characters", "text_unigram_entropy", "symbols", "windows", "model",
          "architecture", "steps", "rates", "tuning_seeds", "seeds", "schedule", "variants")  # fmt: skip


def edit(name: str, change: Callable[[Any], Any]) -> Attack:
    """Change a JSON file's value in place, or replace it by what ``change`` returns."""

    def attack(record: Path) -> None:
        value = json.loads((record / name).read_text(encoding="utf-8"))
        changed = change(value)
        (record / name).write_text(json.dumps(value if changed is None else changed), encoding="utf-8")

    return attack


def put(name: str, key: str, value: Any) -> Attack:
    """Set ``a.b.c`` in a JSON file, or with ``...`` delete it."""

    def change(whole: Any) -> None:
        *path, last = key.split(".")
        for part in path:
            whole = whole[part]
        if value is ...:
            del whole[last]
        else:
            whole[last] = value

    return edit(name, change)


def raw(name: str, change: Callable[[bytes], bytes]) -> Attack:
    """Change a file's bytes."""
    return lambda record: (record / name).write_bytes(change((record / name).read_bytes()))


def rows(change: Callable[[list[dict[str, str]]], object]) -> Attack:
    """Change the rows of rows.csv as texts, in place or by those which ``change`` returns."""

    def attack(record: Path) -> None:
        with (record / ROWS).open(newline="", encoding="utf-8") as file:
            read = csv.DictReader(file)
            lines, names = list(read), list(read.fieldnames or ())
        changed = change(lines)
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([line[name] for name in names] for line in (changed if isinstance(changed, list) else lines))
        (record / ROWS).write_text(out.getvalue(), encoding="utf-8", newline="")

    return attack


def field(name: str, value: str, place: int = -1) -> Attack:
    """Set a field of the last row, a run of evaluation."""
    return rows(lambda lines: lines[place].update({name: value}))


def instead(name: str, make: Callable[[Path], object]) -> Attack:
    """Put something else in the place of a file."""

    def attack(record: Path) -> None:
        (record / name).unlink(missing_ok=True)
        make(record / name)

    return attack


def columns(change: Callable[[list[list[str]]], object]) -> Attack:
    """Change the lines of rows.csv as lists of fields, the heading among them."""

    def attack(record: Path) -> None:
        with (record / ROWS).open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        change(lines)
        with (record / ROWS).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)

    return attack


def without(line: dict[str, str], **values: str) -> bool:
    return any(line[name] != value for name, value in values.items())


def figures_as_file(record: Path) -> None:
    for path in (record / "figures").iterdir():
        path.unlink()
    (record / "figures").rmdir()
    (record / "figures").write_text("a file")


def unnamed(lines: list[list[str]], column: str) -> None:
    place = lines[0].index(column)
    for line in lines:
        del line[place]


def curve(change: Callable[[list[dict[str, Any]]], Any]) -> Attack:
    """Change the curve of the last row."""

    def attack(lines: list[dict[str, str]]) -> None:
        points = json.loads(lines[-1]["curve"])
        changed = change(points)
        lines[-1]["curve"] = json.dumps(points if changed is None else changed)

    return rows(attack)


def _whole_files() -> dict[str, Attack]:
    found: dict[str, Attack] = {}
    for name in (CONFIGURATION, ENVIRONMENT, ROWS, README):
        found |= {
            f"{name}: another encoding": raw(name, lambda b: b.decode().encode("utf-16")),
            f"{name}: a byte of Latin-1": raw(name, lambda b: b[:40] + b"\xe9" + b[40:]),
            f"{name}: a directory": instead(name, Path.mkdir),
            f"{name}: a pipe": instead(name, os.mkfifo),
            f"{name}: a link to itself": instead(name, lambda path: path.symlink_to(path)),
        }
        if name != README:
            found |= {
                f"{name}: absent": lambda record, name=name: (record / name).unlink(),
                f"{name}: empty": raw(name, lambda b: b""),
                f"{name}: cut in the middle": raw(name, lambda b: b[: len(b) // 2]),
                f"{name}: the last byte but two cut": raw(name, lambda b: b[:-3]),
                f"{name}: NUL bytes": raw(name, lambda b: b[:60] + b"\0\0" + b[60:]),
                f"{name}: only NUL bytes": raw(name, lambda b: bytes(len(b))),
                f"{name}: a BOM": raw(name, lambda b: b"\xef\xbb\xbf" + b),
            }
        if name.endswith(".json"):
            found |= {
                f"{name}: a list": edit(name, lambda value: [value]),
                f"{name}: an empty object": edit(name, lambda value: {}),
                f"{name}: a number": raw(name, lambda b: b"7"),
                f"{name}: null": raw(name, lambda b: b"null"),
                f"{name}: deep brackets": raw(name, lambda b: b"[" * 100_000),
                f"{name}: a long number": raw(name, lambda b: b'{"seeds": ' + b"9" * 5000 + b"}"),
                f"{name}: two values": raw(name, lambda b: b + b),
            }
    return found


def _configuration() -> dict[str, Attack]:
    found = {f"configuration without {key}": put(CONFIGURATION, key, ...) for key in NEEDED}
    inner = ("variants.ADAQN.method", "variants.Adam.lr", "variants.Adam.changes", "schedule.clip",
             "schedule.divergence", "variants.Adam", "variants.AdaGrad", "rounds")  # fmt: skip
    found |= {f"configuration without {key}": put(CONFIGURATION, key, ...) for key in inner}
    wrong: dict[str, tuple[Any, ...]] = {
        "seeds": (0, -1, 10**12, "3", 2.5, True, None, float("nan"), float("inf"), [3], 2, 4),
        "tuning_seeds": (0, 10**12, "2", None, 1, 3),
        "steps": (0, -40, "40", 10**400, None, 41, {}),
        "rates": ("2", -1, 2.5),
        "rounds": (-1, "1", 1.5, 0, 2, None),
        "text": (None, 5, ["x"]),
        "text_unigram_entropy": ("2.7", [], float("nan"), float("inf")),
        "text_characters": ("many", -1),
        "model": (None, 7, {}),
        "architecture": ([], "lstm", None),
        "windows": ([], None, "wide"),
        "windows.monitor_batches": ("4", None, -1, float("nan")),
        "schedule": ([], None),
        "schedule.clip": ("5", float("nan"), None),
        "reference": (None, 5, ["ADAQN"]),
        "question": (None, 5, ["What?"]),
        "task": (None, 5, []),
        "task_in_words": (5, []),
        "variants": ([], {}, None, ["ADAQN"], "ADAQN"),
        "variants.ADAQN": ([], None, "x"),
        "variants.ADAQN.method": (None, 5, "another method"),
        "variants.ADAQN.lr": (
            [],
            {},
            "0.1",
            [0.0],
            [-1.0],
            ["0.1"],
            [None],
            [float("nan")],
            [float("inf")],
            0.1,
            [7.0],
        ),
        "variants.ADAQN.changes": ([], None, {"pairs": 5}),
        "kind": ("search", 5),
    }
    for key, values in wrong.items():
        for value in values:
            shown = "10^400" if value == 10**400 else json.dumps(value)
            found[f"configuration: {key} = {shown}"] = put(CONFIGURATION, key, value)
    found["configuration: a variant more"] = edit(
        CONFIGURATION, lambda c: c["variants"].update(RMSProp=c["variants"]["Adam"])
    )
    return found


def _environment() -> dict[str, Attack]:
    found = {f"environment without {key}": put(ENVIRONMENT, key, ...) for key in ("study", "runs")}
    told = ("command", "started", "system", "processor", "workers")
    found |= {f"environment without study.{key}": put(ENVIRONMENT, f"study.{key}", ...) for key in told}
    wrong: dict[str, tuple[Any, ...]] = {
        "study": ([], None, "x"),
        "study.command": (5, None, ["python"], {}),
        "study.started": (5, None),
        "study.workers": ("two", None, -1),
        "runs": ({}, None, [], "x", [5], [{}], [{"torch": "2.11.0"}], [{"torch": []}]),
        "failed": ([], "x", {"tune ADAQN lr=0.1 seed=10000": 5}),
    }
    for key, values in wrong.items():
        for value in values:
            found[f"environment: {key} = {json.dumps(value)}"] = put(ENVIRONMENT, key, value)
    return found


def _fields() -> dict[str, Attack]:
    found: dict[str, Attack] = {}
    wrong: dict[str, tuple[str, ...]] = {
        "phase": ("", "rest", "EVALUATE", "1"),
        "variant": ("", "RMSProp", "adam", "Adam\0"),
        "lr": ("", "nan", "inf", "-0.1", "0", "x", "1e400", "NaN", "Infinity", "0.2", "[0.1]", "true"),
        "seed": ("", "-1", "1.5", "x", "99", "103", "10000", "9" * 5000, "true", "NaN"),
        "method": ("", "another method"),
        "diverged": ("", "0", "yes", "True", "null", "true", "[]"),
        "validation_loss": ("", "nan", "NaN", "Infinity", "-Infinity", "x", "[]", "1e999", "2.5", '"2.5"'),
        "test_loss": ("", "NaN", "Infinity", "x", "{}", "1e999", "true"),
        "steps": ("", "-1", "0", "39", "41", "40.5", "x", "[]", "9" * 5000),
        "seconds": ("", "NaN", "-1.0", "x", "Infinity", "[]"),
        "curve": ("", "[", "{}", "[]", "null", "[5]", "x", "[[]]", '[{"steps":0}]'),
        "admitted": ("-1", "1.5", "x", "NaN", "[]", "true"),
        "rollbacks": ("-1", "x"),
        "events": ("", "[]", "5", "x", '{"ADMITTED":5}', '{"ADMITTED":["x"]}', '{"ADMITTED":[41]}', '{"ADMITTED":[0]}',
                   '{"LOST":[20]}', '{"ADMITTED":[-20]}'),
        "calls": ("", "[]", "5", "x", '{"monitor loss":"x"}', '{"monitor loss":-1}', '{"thought":1}',
                  '{"monitor loss":NaN}'),
        "torch": ("1.0", ""),
    }  # fmt: skip
    for name, values in wrong.items():
        for value in values:
            found[f"rows: {name} = {value[:20]!r}"] = field(name, value)
    found |= {
        "rows: a curve's point without loss": curve(lambda c: c[1].pop("loss") and None),
        "rows: a curve's point with more": curve(lambda c: c[1].update(more=1)),
        "rows: a curve's loss is a text": curve(lambda c: c[1].update(loss="2")),
        "rows: a curve's loss is NaN": curve(lambda c: c[1].update(loss=float("nan"))),
        "rows: a curve's loss is huge": raw(ROWS, lambda b: b.replace(b'"loss"":4.0', b'"loss"":4e999', 1)),
        "rows: a curve backwards": curve(lambda c: c[::-1]),
        "rows: a curve with a point less": curve(lambda c: [*c[:1], *c[2:]]),
        "rows: a curve with a point more": curve(lambda c: [*c, {**c[-1], "steps": 50}]),
        "rows: a curve's steps are negative": curve(lambda c: c[0].update(steps=-10)),
        "rows: a curve that starts later": curve(lambda c: c[0].update(steps=5)),
        "rows: a curve's seconds are NaN": curve(lambda c: c[1].update(seconds=float("nan"))),
        "rows: a curve that does not end at the loss": curve(lambda c: c[-1].update(loss=3.0)),
    }
    return found


def _lines() -> dict[str, Attack]:
    found: dict[str, Attack] = {
        "rows: the last line twice": rows(lambda lines: lines.append(lines[-1])),
        "rows: all lines twice": rows(lambda lines: lines + lines),
        "rows: a run twice with two outcomes": rows(lambda lines: lines.append({**lines[-1], "seconds": "9.0"})),
        "rows: none": rows(lambda lines: lines.clear()),
        "rows: not even a heading": raw(ROWS, lambda b: b[b.index(b"\n") + 1 :]),
        "rows: an evaluation run missing": rows(lambda lines: lines.pop() and None),
        "rows: a tuning run missing": rows(lambda lines: lines.pop(0) and None),
        "rows: half of the lines": raw(ROWS, lambda b: b"".join(b.splitlines(keepends=True)[:8])),
        "rows: no evaluation": rows(lambda lines: [line for line in lines if line["phase"] == "tune"]),
        "rows: no tuning": rows(lambda lines: [line for line in lines if line["phase"] != "tune"]),
        "rows: a variant missing": rows(lambda lines: [line for line in lines if without(line, variant="Adam")]),
        "rows: the reference missing": rows(lambda lines: [line for line in lines if without(line, variant="ADAQN")]),
        "rows: a variant's evaluation missing": rows(
            lambda lines: [line for line in lines if without(line, variant="Adam", phase="evaluate")]
        ),
        "rows: a rate missing": rows(
            lambda lines: [
                line for line in lines if without(line, variant="Adam", phase="tune", lr=another_rate(lines))
            ]
        ),
        "rows: a diverged run missing": rows(
            lambda lines: lines.remove(next(line for line in lines if line["variant"] == "AdaGrad"))
        ),
        "rows: a seed missing everywhere": rows(lambda lines: [line for line in lines if without(line, seed="101")]),
        "rows: evaluation at another rate only": rows(
            lambda lines: [line.update(lr="0.5") for line in lines if line["phase"] == "evaluate"] and None
        ),
        "rows: better tuning losses at another rate": rows(better_elsewhere),
        "rows: an empty line": raw(ROWS, lambda b: b.replace(b"\ntune", b"\n\ntune", 1)),
        "rows: a line with a field less": columns(lambda lines: lines[3].pop() and None),
        "rows: a line with a field more": columns(lambda lines: lines[3].append("more")),
        "rows: a heading twice": columns(lambda lines: lines[0].__setitem__(2, "seed")),
        "rows: a column of no environment": columns(lambda lines: [line.append("x") for line in lines] and None),
        "rows: semicolons": raw(ROWS, lambda b: b.replace(b",", b";")),
        "rows: a quote that never ends": raw(ROWS, lambda b: b + b'tune,ADAQN,"0.1'),
        "rows: a stray quote": raw(ROWS, lambda b: b.replace(b"\ntune,", b'\n"tune"x,', 1)),
        "rows: a field of 20 MB": field("method", "x" * 20_000_000),
        "rows: Windows' bare line ends": raw(ROWS, lambda b: b.replace(b"\n", b"\r")[:-1] + b"\0"),
    }
    found |= {f"rows without the column {name}": columns(lambda lines, name=name: unnamed(lines, name)) for name in (
        "phase", "variant", "lr", "seed", "method", "diverged", "validation_loss", "curve", "events", "calls", "torch",
    )}  # fmt: skip
    return found


def another_rate(lines: list[dict[str, str]]) -> str:
    """A rate that Adam was tuned at and that was not chosen: of its second round."""
    chosen = lines[-1]["lr"]
    return [line["lr"] for line in lines if not without(line, variant="Adam", phase="tune") and line["lr"] != chosen][
        -1
    ]


def better_elsewhere(lines: list[dict[str, str]]) -> None:
    for line in lines:
        if not without(line, variant="Adam", phase="tune", lr=another_rate(lines)):
            points = json.loads(line["curve"])
            points[-1]["loss"] = 0.5
            line.update(validation_loss="0.5", curve=json.dumps(points))


def _beside() -> dict[str, Attack]:
    begin, end = BEGIN.encode(), END.encode()
    return {
        "README: no marks": raw(README, lambda b: b"all by hand\n"),
        "README: no first mark": raw(README, lambda b: b.replace(begin, b"")),
        "README: no last mark": raw(README, lambda b: b.replace(end, b"")),
        "README: the marks turned round": raw(README, lambda b: end + b"\nmine\n" + begin + b"\nmine too\n"),
        "README: the first mark twice": raw(README, lambda b: begin + b"\nmine\n" + b),
        "README: the last mark twice": raw(README, lambda b: b + b"\nmine\n" + end + b"\n"),
        "README: the generated part twice": raw(README, lambda b: b + b"\nmine\n" + b),
        "figures: a file": figures_as_file,
        "table.csv: a directory": instead("table.csv", Path.mkdir),
    }


ATTACKS: dict[str, Attack] = {
    **_whole_files(),
    **_configuration(),
    **_environment(),
    **_fields(),
    **_lines(),
    **_beside(),
}
