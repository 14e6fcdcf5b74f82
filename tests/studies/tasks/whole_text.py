"""The encoding of a text as it was before it went piece by piece: whole and in int64."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from studies.tasks import Text, Windows
from studies.tasks.sequences import entropy_of

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Whole:
    """Three parts of indices, the vocabulary and the number of symbols."""

    parts: list[Tensor]
    vocabulary: str | tuple[str, ...]
    symbols: int

    @property
    def chance(self) -> float:
        return entropy_of(torch.bincount(self.parts[0], minlength=self.symbols))

    def cut(self, part: int, starts: Tensor, length: int) -> Batch:
        numbers = self.parts[part]
        windows = numbers[(starts[:, None] + torch.arange(length + 1)) % len(numbers)]
        return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()

    def held_out(self, part: int, windows: Windows) -> Batch:
        length = min(windows.held_out_length, len(self.parts[part]) - 1)
        last = len(self.parts[part]) - length - 1
        count = min(-(-windows.held_out * windows.length // length), last + 1)
        starts = torch.linspace(0, last, count, dtype=torch.float64).round().to(torch.int64)
        return self.cut(part, starts, length)


def parts_of(content: str, splits: tuple[int, int] | None) -> tuple[str, str, str]:
    first, second = splits or (int(len(content) * 0.90), int(len(content) * (0.90 + 0.05)))
    return content[:first], content[first:second], content[second:]


def characters(text: Text) -> Whole:
    parts = parts_of(text.content, text.splits)
    numbers = [np.frombuffer(part.encode("utf-32-le"), dtype=np.uint32) for part in parts]
    known = np.unique(numbers[0])
    indices = []
    for codes in numbers:
        place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        found = np.where(known[place] == codes, place + 1, 0).astype(np.int64)
        indices.append(torch.from_numpy(found))
    return Whole(indices, "".join(map(chr, known.tolist())), len(known) + 1)


def words(text: Text, most: int) -> Whole:
    pattern = re.compile(r"\n|\w+(?:['’-]\w+)*|[^\w\s]")
    found = []
    by_blanks = text.splits is not None or {"<unk>", "<eos>"} & set(text.content.split())
    for part in parts_of(text.content, text.splits):
        if by_blanks:
            lines = [line.split() for line in part.split("\n")]
            ended = [line if line[-1:] == ["<eos>"] else [*line, "<eos>"] for line in lines[:-1]]
            found.append([word for line in [*ended, lines[-1]] for word in line])
        else:
            found.append(["<eos>" if word == "\n" else word for word in pattern.findall(part)])
    counts = Counter(found[0])
    del counts["<unk>"]
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:most]
    vocabulary = ("<unk>", *frequent)
    index = {word: number for number, word in enumerate(vocabulary)}
    parts = [torch.tensor([index.get(word, 0) for word in part]) for part in found]
    return Whole(parts, vocabulary, len(vocabulary))
