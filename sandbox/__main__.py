"""`python -m sandbox`: serve an EHR, or put synthetic patients into one; not part of the `writeback` command."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from sandbox.server import SandboxSettings, serve

app = typer.Typer(add_completion=False, help="A FHIR R4 EHR for tests.", pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def sandbox(
    context: typer.Context,
    data_dir: Annotated[Path, typer.Option(help="Folder of its files.")] = Path("sandbox-data"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 0,
    open: Annotated[bool, typer.Option("--open", help="Ask for no token under /fhir (tests only).")] = False,
    admin_token: Annotated[
        str | None, typer.Option(envvar="SANDBOX_ADMIN_TOKEN", help="Secret of /admin.")
    ] = None,
    public_url: Annotated[str | None, typer.Option(help="Address others reach it by.")] = None,
    clients_file: Annotated[Path | None, typer.Option(help="JSON list of OAuth clients.")] = None,
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
            )
        )


if __name__ == "__main__":
    app()
