"""`process-meter manager`: the service that agents talk to, its tokens, agents and policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

app = typer.Typer(help="The manager: configures agents and receives what they record.", no_args_is_help=True)
token_app = typer.Typer(help="Enrollment tokens.", no_args_is_help=True)
policy_app = typer.Typer(help="What is metered, and what counts as active.", no_args_is_help=True)
app.add_typer(token_app, name="token")
app.add_typer(policy_app, name="policy")


@app.command(epilog="Example: process-meter manager serve --port 8765")
def serve(
    host: Annotated[str, typer.Option(help="Address; any but loopback needs TLS.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 8765,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Serve agents until Ctrl-C. The API is described at /docs."""
    from collector.manager.http import serve

    serve(
        host,
        port,
        tls_cert,
        tls_key,
        warehouse,
        on_ready=lambda url: typer.echo(f"The manager answers at {url}; its API: {url}/docs"),
    )


@token_app.callback()
def tokens() -> None:
    """Enrollment tokens: what a host needs once to become an agent."""


@token_app.command("new", epilog="Example: process-meter manager token new --uses 20 --expires 7d")
def new_token(
    uses: Annotated[int, typer.Option(min=1, help="How many hosts may enroll with it.")] = 1,
    expires: Annotated[str, typer.Option(help="How long it lives: 30m, 24h, 7d.")] = "24h",
    warehouse: WarehouseUrl = None,
) -> None:
    """Draw a token; it is shown once and kept nowhere."""
    from collector.manager.enrollment import lifetime, new_token

    alive = lifetime(expires)
    with opened(warehouse) as engine:
        typer.echo(new_token(engine, uses, alive, operating_system_identity(), now_ms()))


@app.command(epilog="Example: process-meter manager agents --json")
def agents(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the agents: host (a pseudonym), version, when last heard, what still waits there."""
    from collector.manager.enrollment import agents

    with opened(warehouse) as engine:
        rows = agents(engine).to_dicts()
    if as_json:
        print_json(rows)
    elif not rows:
        typer.echo("No agent has enrolled yet; draw a token with `process-meter manager token new`.")
    for row in rows if not as_json else ():
        heard = f"{row['last_heard']:%Y-%m-%d %H:%M:%S} UTC" if row["last_heard"] else "never"
        revoked = "  revoked" if row["revoked"] else ""
        typer.echo(
            f"{row['agent']}  {row['host']}  {row['version']}  heard {heard}  "
            f"waiting {row['backlog']}{revoked}"
        )


@app.command(epilog="Example: process-meter manager revoke 5f0c2b9e")
def revoke(
    agent: Annotated[str, typer.Argument(help="Id of the agent, see `manager agents`.")],
    warehouse: WarehouseUrl = None,
) -> None:
    """Take an agent's right to send away; what it sent stays."""
    from collector.manager.enrollment import revoke

    with opened(warehouse) as engine:
        revoke(engine, agent, operating_system_identity(), now_ms())
    typer.echo(f"Agent {agent} can send no more.")


@policy_app.command("show", epilog="Example: process-meter manager policy show > policy.toml")
def show_policy(warehouse: WarehouseUrl = None) -> None:
    """Print the policies in force as TOML that `policy apply` takes."""
    from collector.manager.policies import show

    with opened(warehouse) as engine:
        typer.echo(show(engine), nl=False)


@policy_app.command("apply", epilog="Example: process-meter manager policy apply policy.toml")
def apply_policy(
    file: Annotated[Path, typer.Argument(help="TOML with [collection], [license], [billing].")],
    warehouse: WarehouseUrl = None,
) -> None:
    """Put a policy file in force; a table that is left out stays as it is."""
    from collector.manager.policies import apply

    with opened(warehouse) as engine:
        made = apply(engine, file, operating_system_identity(), now_ms())
    for purpose, version in made.items():
        typer.echo(f"{purpose} policy: version {version}")
    if not made:
        typer.echo("Nothing changed.")
