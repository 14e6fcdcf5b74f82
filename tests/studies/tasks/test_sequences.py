"""Carried windows read on."""

import torch

from studies.tasks import CharacterTask, Text, Windows


def test_carried_rows_go_on_where_they_ended_and_read_in_a_ring(text: Text) -> None:
    task = CharacterTask(text, Windows(batch_size=3, length=40, held_out=20, carried=True))
    batches = task.batches(1)
    before = next(batches)
    starts = before[0]
    for _ in range(len(task.train) // 40):
        after = next(batches)
        assert torch.equal(after[0][:, 0], before[1][:, -1])
        assert torch.equal(after[0][:, 1:], after[1][:, :-1])
        before = after
    assert not torch.equal(starts, before[0])
    assert task.carried


def test_carried_held_out_sequences_are_longer_and_as_many_symbols() -> None:
    text = Text(name="t", content="ab" * 50_000)
    own, carried = (CharacterTask(text, Windows(carried=carried)) for carried in (False, True))
    assert carried.validation[0].shape == (40, 300)
    assert own.validation[0].numel() == carried.validation[0].numel()
