"""`callboard keys`: who may use the HTTP API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from .tenants import Tenant, changing
from .terminal import AsJson, emit, known_names, names, open_board, show, tell

if TYPE_CHECKING:
    from ...records import NewKey

commands = typer.Typer(
    help="Give and take away access to the HTTP API.", no_args_is_help=True, rich_markup_mode=None
)

Id = Annotated[str, typer.Argument(metavar="KEY", help="How the key begins: cb_ and ten letters.")]


@commands.command()
def create(
    ctx: typer.Context,
    user: Annotated[str, typer.Argument(metavar="USER", help="As whom the key acts.")],
    tenant: Tenant = "local",
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    roles: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="ask; agents: register and change them; runs: read those of all users; admin.",
        ),
    ] = "ask",
    agents: Annotated[
        str | None, typer.Option(metavar="A,B", help="The only agents that it may call.")
    ] = None,
    expires: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="It is good so long.")
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option(min=1, help="Requests a minute, at all workers together.")
    ] = None,
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Requests at the same time, at each worker.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown this once: only its hash is kept."""
    from ...records import ROLES

    allowed = known_names(roles, ROLES, "role")
    with changing(ctx, tenant, "create key", user) as board:
        made = board.keys.create_sync(
            user,
            name,
            roles=allowed,  # type: ignore[arg-type]
            agents=None if agents is None else names(agents),
            expires_at=None if expires is None else datetime.now(UTC) + timedelta(days=expires),
            per_minute=per_minute,
            at_once=at_once,
        )
    _tell_new(made, as_json)


@commands.command("list")
def list_(ctx: typer.Context, tenant: Tenant = "local", as_json: AsJson = False) -> None:
    """List the keys of a tenant, also those that are no longer good."""
    with open_board(ctx) as board:
        keys = board.scoped(tenant).keys.list_sync()
    if as_json:
        from ..views import key_json

        emit({"keys": [key_json(key) for key in keys]})
    elif not keys:
        tell("There are none. 'callboard keys create USER' makes one.")
    else:
        from .key_tables import draw_keys

        show(draw_keys(keys))


@commands.command()
def rotate(
    ctx: typer.Context,
    key: Id,
    tenant: Tenant = "local",
    overlap: Annotated[
        float, typer.Option(min=0, metavar="DAYS", help="How long the old one stays good.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Make a new key that allows the same, and end the old one."""
    with changing(ctx, tenant, "rotate key", key) as board:
        made = board.keys.rotate_sync(key, overlap=timedelta(days=overlap))
    _tell_new(made, as_json)


@commands.command()
def revoke(ctx: typer.Context, key: Id, tenant: Tenant = "local", as_json: AsJson = False) -> None:
    """End a key; the next request with it is refused."""
    with changing(ctx, tenant, "revoke key", key) as board:
        board.keys.revoke_sync(key)
    if as_json:
        emit({"revoked": key})
    else:
        tell(f"{key} is good no more.")


@commands.command()
def audit(
    ctx: typer.Context,
    tenant: Tenant = "local",
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Tell who asked for what change, and what became of it."""
    with open_board(ctx) as board:
        changes = board.scoped(tenant).changes.list_sync(limit=limit)
    if as_json:
        from ..views import change_json

        emit({"changes": [change_json(change) for change in changes]})
    elif not changes:
        tell("Nobody has changed anything yet.")
    else:
        from .key_tables import draw_changes

        show(draw_changes(changes))


def _tell_new(made: NewKey, as_json: bool) -> None:
    if as_json:
        from ..views import key_json

        emit({**key_json(made.key), "secret": made.secret})
        return
    tell(f"Key {made.key.id} for {made.key.scope.user}: {', '.join(made.key.roles)}. Keep it now:")
    typer.echo(made.secret)
