"""`python -m sandbox`: serve an EHR, or fill one with synthetic patients; not the `writeback` command."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from sandbox import written_json
from sandbox.server import SandboxSettings, serve

app = typer.Typer(add_completion=False, help="A FHIR R4 EHR for tests.", pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def sandbox(
    context: typer.Context,
    data_dir: Annotated[Path, typer.Option(help="Folder of its files.")] = Path("sandbox-data"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    *,
    open: Annotated[bool, typer.Option("--open", help="Ask for no token under /fhir (tests only).")] = False,
    admin_token: Annotated[str | None, typer.Option(envvar="SANDBOX_ADMIN_TOKEN", help="Secret of /admin.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Address others reach it by.")] = None,
    personality: Annotated[str, typer.Option(help="Whose EHR it plays.")] = "fhir_r4",
    clients_file: Annotated[Path | None, typer.Option(help="JSON list of OAuth clients.")] = None,
    people_file: Annotated[Path | None, typer.Option(help="JSON: who can log in, and to which web clients.")] = None,
) -> None:
    """Serve until told to stop."""
    if context.invoked_subcommand is None:
        serve(
            SandboxSettings(
                data_dir=data_dir,
                host=host,
                port=port,
                open=open,
                admin_token=SecretStr(admin_token) if admin_token else None,
                public_url=public_url,
                clients_file=clients_file,
                people_file=people_file,
                personality=personality,
            )
        )


@app.command()
def seed(
    url: Annotated[str, typer.Option(help="Address of a running sandbox, without /fhir.")],
    admin_token: Annotated[str, typer.Option(envvar="SANDBOX_ADMIN_TOKEN", help="Its admin secret.")],
    count: Annotated[int, typer.Option(min=1, help="Number of patients.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same patients.")] = 7,
) -> None:
    """Put synthetic patients into a running sandbox."""
    # Only this command needs them, and they take a second to load.
    import httpx

    from sandbox.patients import synthetic_bundle

    answer = httpx.post(
        f"{url.rstrip('/')}/admin/seed",
        content=written_json.dumps(synthetic_bundle(seed, count)),
        headers={"Authorization": f"Bearer {admin_token}"},
        timeout=60,
    )
    if not answer.is_success:
        typer.echo(f"Nothing was stored: {answer.status_code} {answer.text}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{answer.json()['stored']} resources stored.")


if __name__ == "__main__":
    app()
