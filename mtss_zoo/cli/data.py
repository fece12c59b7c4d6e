"""``data``: commands that look at a dataset, or prepare one."""

from __future__ import annotations

import typer

from mtss_zoo.cli import boxing, checking, fetching, packing, trusting

app = typer.Typer(help="Look at a dataset.", no_args_is_help=True)
app.command("check")(checking.check)
app.command("boxes")(boxing.boxes)
app.command("fetch-urls")(fetching.fetch_urls)
app.command("pack")(packing.pack)
app.command("duplicates")(trusting.duplicates)
app.command("suspects")(trusting.suspects)


@app.callback()
def _data() -> None:
    """Look at a dataset."""
