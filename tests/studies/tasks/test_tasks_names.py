"""What other rooms import from ``studies.tasks``."""

import pytest

from studies import tasks


def test_every_public_name_is_found_where_it_lives() -> None:
    assert sorted(tasks.__all__) == sorted(tasks._HOMES)
    for name in tasks.__all__:
        assert getattr(tasks, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'chess'"):
        _ = tasks.chess
