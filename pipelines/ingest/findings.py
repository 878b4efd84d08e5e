"""What a pull reports of a stream as a whole: an error, a notice, the remark of its state."""

from pipelines.ingest.session import Session
from pipelines.ingest.windows.state import Restart
from schemas.times import to_datetime


def empty_head(
    session: Session, empty_since: int | None, problems: list[str], remarks: list[str]
) -> None:
    """The newest answer holds no rows, where rows are held: no word that nothing is new.

    A notice the first time, an error from the second time on. ``empty_since``: when it came so
    first, if it did in an earlier pull.
    """
    since = empty_since or session.started
    text = (
        f"the exchange answers without rows since {_at(since)}, where it showed rows before, so "
        "that it cannot be told whether there are newer ones. Fix: pull again later; look at the "
        "exchange's own page if it stays so"
    )
    remarks.append(f"answers without rows since {_at(since)}")
    if empty_since is None:
        session.report.notice = f"{session.stream}: {text}"
    else:
        problems.append(text)


def restarted(restart: Restart, problems: list[str], remarks: list[str]) -> None:
    """The exchange numbers the rows of this stream anew."""
    text = (
        f"ids began anew: the newest rows have ids below {restart.top}, which was the highest "
        f"before (found {_at(restart.found_at)})"
    )
    remarks.append(text)
    problems.append(
        f"{text}. The rows of before stay; a new row whose id one of them has lies in quarantine, "
        "and nothing is claimed as complete. Fix: none is possible while both have the same ids"
    )


def gone(
    session: Session, missing: frozenset[int], problems: list[str], remarks: list[str]
) -> None:
    """Rows that may still change are shown no more."""
    known = {u.lower for u in session.state.unshown if u.upper - u.lower == 1}
    waiting = sorted(missing | (known & session.state.unsettled))
    if not waiting:
        return
    names = ", ".join(map(str, waiting[:5])) + (", …" if len(waiting) > 5 else "")
    text = f"{len(waiting)} row(s) that were not final are shown no more ({names})"
    remarks.append(text)
    if missing - known:
        problems.append(
            f"{text}: their last known state stays, and their final one is not known. Fix: look "
            "them up at the exchange; each pull asks for them again"
        )


def _at(microseconds: int) -> str:
    return f"{to_datetime(microseconds):%Y-%m-%d %H:%M:%SZ}"
