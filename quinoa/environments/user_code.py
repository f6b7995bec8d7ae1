"""What code of the user's own raises, said in one line.

That may be anything: sys.exit() in an environment raises SystemExit, and asyncio a CancelledError,
neither of which is an `Exception`. Let through, the first would end a process with status 0, as if
all were done. So whoever calls such code catches `BaseException`, and lets `KeyboardInterrupt`
alone pass, which is the user at the terminal.
"""

from __future__ import annotations

import textwrap

from quinoa.environments import drawing

# Characters of somebody else's error that a message quotes.
_MAX_MESSAGE = 500


def described(error: BaseException) -> str:
    """The error's type and what it says, in one line.

    And what to do, where it draws and MuJoCo is not to.
    """
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return shortened(drawing.with_hint(text))


def shortened(text: str) -> str:
    """A message in one line, of a length that can be read."""
    return textwrap.shorten(text, _MAX_MESSAGE, placeholder=" ...")
