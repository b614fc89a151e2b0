"""Opening the views for questions: they must be there, of this version and of this namespace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from agents.views.database import NoViews, connect, shown, snapshot, url_of
from agents.views.store import check_meta, read_meta
from streams.settings import Settings


@contextmanager
def open_views(settings: Settings) -> Iterator[Connection]:
    """A connection that sees one state of all views, for the functions in `agents.views.queries`.

    Raises:
        NoViews: nobody has made any there.
        WrongSchema: they are another version's or namespace's.
        Unavailable: the database does not answer.
        ViewsError: the URL or the driver is wrong.
    """
    url = url_of(settings)
    none = f"there are no views at {shown(url)}: run `walletstream worker views`, or `walletstream views rebuild`"
    file = url.database if url.get_backend_name() == "sqlite" else None
    # Connecting to a file that is not there would make it.
    if file and not Path(file).exists():
        raise NoViews(none)
    engine = connect(url)
    try:
        with snapshot(engine) as connection:
            meta = read_meta(connection)
            if meta is None:
                raise NoViews(none)
            check_meta(meta, settings.namespace, shown(url))
            yield connection
    finally:
        engine.dispose()
