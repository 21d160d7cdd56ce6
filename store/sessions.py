"""Sessions: the conversations of a user, what they are called, and forgetting them."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, or_, select, update

from ..errors import UnknownName
from ..records import Session
from ..values import Scope
from .claims import GOING
from .database import Database, batched
from .erasing import erase_feedback
from .tables import feedback, runs, scoped, session_titles, summaries, within


class Sessions:
    """Lists, names and deletes the sessions of a user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, scope: Scope, *, text: str = "", limit: int = 50) -> tuple[Session, ...]:
        """Return the user's sessions, the one asked in last first.

        With `text` those alone in whose title, queries or answers it stands.
        """
        owner = scope.owner
        last = func.max(summaries.c.created_at).label("asked_at")
        query = (
            select(
                summaries.c.session,
                func.count().label("runs"),
                func.min(summaries.c.created_at).label("created_at"),
                last,
            )
            .where(within(summaries.c, scope), summaries.c.session.is_not(None))
            .group_by(summaries.c.session)
            .order_by(last.desc(), summaries.c.session)
            .limit(limit)
        )
        if text:
            words = (runs.c.query, runs.c.answer)
            said = select(runs.c.session).where(
                within(runs.c, owner), or_(*(w.icontains(text, autoescape=True) for w in words))
            )
            titled = select(session_titles.c.session).where(
                within(session_titles.c, owner),
                session_titles.c.title.icontains(text, autoescape=True),
            )
            query = query.where(or_(summaries.c.session.in_(said), summaries.c.session.in_(titled)))
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            names = [row.session for row in rows]
            titles: dict[str, str] = {}
            for some in batched(names):
                chosen = select(session_titles.c.session, session_titles.c.title).where(
                    within(session_titles.c, owner), session_titles.c.session.in_(some)
                )
                titles.update((name, title) for name, title in connection.execute(chosen))
            for row in rows:
                if row.session not in titles:
                    first = (
                        select(runs.c.query)
                        .where(within(runs.c, owner), runs.c.session == row.session)
                        .order_by(runs.c.created_at, runs.c.id)
                        .limit(1)
                    )
                    titles[row.session] = connection.execute(first).scalar() or ""
        return tuple(
            Session(
                id=row.session,
                title=titles[row.session],
                runs=row.runs,
                created_at=row.created_at,
                asked_at=row.asked_at,
            )
            for row in rows
        )

    def rename(self, scope: Scope, title: str) -> None:
        """Call the scope's session `title`; an empty one lets its first query name it again.

        Raises:
            UnknownName: the user has no such session.
        """
        of_session = within(session_titles.c, scope)
        with self._database.writing(f"session {scope.tenant} {scope.user}") as connection:
            known = select(summaries.c.run_id).where(within(summaries.c, scope)).limit(1)
            if connection.execute(known).first() is None:
                raise unknown_session(scope)
            if not title:
                connection.execute(delete(session_titles).where(of_session))
                return
            change = update(session_titles).where(of_session).values(title=title)
            if connection.execute(change).rowcount == 0:
                connection.execute(insert(session_titles), {**scoped(scope), "title": title})

    def going(self, scope: Scope) -> tuple[str, ...]:
        """Return the runs of the scope that have not ended."""
        query = select(runs.c.id).where(within(runs.c, scope), runs.c.status.in_(GOING))
        with self._database.reading() as connection:
            return tuple(connection.execute(query).scalars())

    def delete(self, scope: Scope) -> int:
        """Delete the scope's session with its runs, for good; return how many runs there were.

        What the runs cost stays in the ledger: it was paid.
        """
        with self._database.writing(f"session {scope.tenant} {scope.user}") as connection:
            connection.execute(delete(session_titles).where(within(session_titles.c, scope)))
            erase_feedback(connection, within(feedback.c, scope))
            return connection.execute(delete(runs).where(within(runs.c, scope))).rowcount


def unknown_session(scope: Scope) -> UnknownName:
    """Return the error for a session that the user does not have."""
    return UnknownName(f"There is no session {scope.session!r}. Ask something in it first.")
