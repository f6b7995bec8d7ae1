"""What a check is, and how checks are run."""

from __future__ import annotations

import dataclasses
import re
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from quinoa.environments import user_code

SubjectT = TypeVar("SubjectT")

# Characters of another library's message that are quoted.
_MAX_MESSAGE = 300

_IN_USER_CODE = re.compile(r'^ *File "(.+)", line (\d+), in .*\*+$', re.MULTILINE)


class CheckError(Exception):
    """Something is not as it must be; the message is one line that says what to change."""


@dataclasses.dataclass(frozen=True)
class Check(Generic[SubjectT]):
    """One requirement, and how to test it.

    Attributes:
        name: the requirement, as a short sentence.
        run: tests it. Returns a remark to be shown, or an empty string. Raises `CheckError` if the
            requirement is not met; an error of the subject's own code counts as the same.
        is_needed: whether the checks after it are skipped when it fails.
    """

    name: str
    run: Callable[[SubjectT], str]
    is_needed: bool = False


class Finding(NamedTuple):
    """The result of a check.

    Attributes:
        name: the check's.
        error: what to change; None if the check passed.
        remark: a remark to be shown with it, or an empty string.
    """

    name: str
    error: str | None
    remark: str = ""


def run_checks(
    checks: Iterable[Check[SubjectT]], subject: SubjectT, show: Callable[[Finding], None]
) -> tuple[int, int]:
    """Runs checks in their order, up to one that fails and is needed.

    Args:
        checks: the checks to run.
        subject: what is checked.
        show: called with the result of each check as soon as it is known.

    Returns:
        How many were run, and how many of them failed.
    """
    count = failed = 0
    for check in checks:
        finding = run_check(check, subject)
        show(finding)
        count += 1
        if finding.error is not None:
            failed += 1
            if check.is_needed:
                break
    return count, failed


def run_check(check: Check[SubjectT], subject: SubjectT) -> Finding:
    """Runs one check; any error that it raises is its result, except Ctrl-C."""
    try:
        return Finding(check.name, None, check.run(subject))
    except CheckError as error:
        return Finding(check.name, str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Finding(check.name, described(error))


def require(condition: bool, message: str) -> None:
    """Raises `CheckError` with the message, unless the condition is true."""
    if not condition:
        raise CheckError(message)


def described(error: BaseException) -> str:
    """What was raised and where, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        lines = [type(error).__name__]
    # AutoGraph puts the code's own error last, below the trace to it.
    message = lines[-1] if lines and "in user code" in lines[0] else " ".join(lines)
    if not message.startswith(type(error).__name__):
        message = f"{type(error).__name__}: {message}"
    message = user_code.with_rendering_hint(message)
    if len(message) > _MAX_MESSAGE:
        message = f"{message[:_MAX_MESSAGE]} ..."
    where = _where(error)
    return f"{message} ({where})" if where else message


def _where(error: BaseException) -> str:
    """The innermost line that is no library's and not this project's shared part, if any.

    It is that of the first cause, of an error that was raised from another.
    """
    # Of code that AutoGraph has rewritten, only the message knows the lines as they were.
    places = [(path, int(line)) for path, line in _IN_USER_CODE.findall(str(error))]
    if not places:
        # An environment's error is the cause of the one that names the environment.
        while error.__cause__ is not None:
            error = error.__cause__
        frames = traceback.extract_tb(error.__traceback__)
        places = [(frame.filename, frame.lineno or 0) for frame in frames]
    project = Path(__file__).parents[1]
    for name, line in reversed(places):
        path = Path(name)
        if path.is_file() and "site-packages" not in path.parts and project not in path.parents:
            return f"{path.name}, line {line}"
    return ""
