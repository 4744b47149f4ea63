"""`jinsuan registry …`: inventories, bodies and linked log-ins, on the platform's own machine."""

from __future__ import annotations

import typer

app = typer.Typer(help="登记：导入清单、查算力规模。", no_args_is_help=True)
