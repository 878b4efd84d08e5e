"""Problems of a whole stream that a pull finds: the error or notice of the pull, and the remark
that ``status`` shows until the problem is gone.
"""

from typing import Final

from pipelines.ingest.session import Session
from pipelines.ingest.windows.state import Restart
from schemas.times import to_datetime
from schemas.wording import count


def empty_head(
    session: Session, empty_since: int | None, problems: list[str], remarks: list[str]
) -> None:
    """Report an empty newest page of a stream with stored rows: no proof that nothing is new.

    A notice the first time, an error from the second time on. ``empty_since``: the start of the
    earlier pull that met it first (microseconds), ``None`` if there was none.
    """
    since = empty_since or session.started
    text = (
        f"the exchange answers without rows since {_at(since)}; before, it showed rows. It is "
        "unknown whether there are newer ones. Fix: pull again later; if it stays so, look at the "
        "exchange's own page"
    )
    remarks.append(f"answers without rows since {_at(since)}")
    if empty_since is None:
        session.report.notice = f"{session.stream}: {text}"
    else:
        problems.append(text)


_SHARED: Final = "none is possible while old and new rows share ids"
_NOT_OF_MARKET: Final = (
    "only a file that was imported has that id; if it is of another market or numbering, take the "
    "market out of the feed, `tidemark purge` it by name, and pull anew"
)


def restarted(
    restart: Restart, problems: list[str], remarks: list[str], *, is_of_file: bool
) -> None:
    """Report that the exchange restarted the ids of this stream. ``is_of_file``: only a file that
    was imported has the highest id.
    """
    text = (
        f"ids restarted: the newest rows have ids below {restart.top}, the highest id before "
        f"(found {_at(restart.found_at)})"
    )
    remarks.append(text)
    problems.append(
        f"{text}. Stored rows stay. A new row with the id of a stored one goes to quarantine, and "
        f"nothing is claimed as complete. Fix: {_NOT_OF_MARKET if is_of_file else _SHARED}"
    )


def gone(
    session: Session, missing: frozenset[int], problems: list[str], remarks: list[str]
) -> None:
    """Report rows that may still change and that the exchange no longer shows."""
    known = {u.lower for u in session.state.unshown if u.upper - u.lower == 1}
    waiting = sorted(missing | (known & session.state.unsettled))
    if not waiting:
        return
    names = ", ".join(map(str, waiting[:5])) + (", …" if len(waiting) > 5 else "")
    text = f"{count(len(waiting), 'row')} not final before and no longer shown ({names})"
    remarks.append(text)
    if missing - known:
        problems.append(
            f"{text}: their last known state stays, their final state is unknown. Fix: look them "
            "up at the exchange; each pull asks for them again"
        )


def _at(microseconds: int) -> str:
    return f"{to_datetime(microseconds):%Y-%m-%d %H:%M:%SZ}"
