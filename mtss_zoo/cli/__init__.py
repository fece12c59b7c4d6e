"""The command line ``mtss-zoo``. Exit code 0, 1 (it failed), 2 (you asked wrongly), 130 (interrupted)."""

from __future__ import annotations

import sys

import typer

from mtss_zoo.cli import catalogue, data, explaining, reporting, serving, sharing, studying, training, tuning, use
from mtss_zoo.errors import MtssZooError, system_words

app = typer.Typer(
    name="mtss-zoo",
    help="Models for visual attribute prediction from few labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("list")(catalogue.list_all)
app.command("show")(catalogue.show)
app.command("schema")(catalogue.schema)
app.command("train")(training.train)
app.command("evaluate")(training.evaluate)
app.command("quickstart")(training.quickstart)
app.command("tune")(tuning.tune)
app.command("study")(studying.study)
app.command("reproduce")(studying.reproduce)
app.command("predict")(use.predict)
app.command("explain")(explaining.explain)
app.command("export")(use.export)
app.command("report")(reporting.report)
app.command("serve")(serving.serve)
app.command("push")(sharing.push)
app.command("pull")(sharing.pull)
app.add_typer(catalogue.plugins_app, name="plugins")
app.add_typer(data.app, name="data")


def main() -> None:
    """Runs the command line; an error of the zoo or of the system is one message on standard error, not a traceback."""
    try:
        app()
    except MtssZooError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"error: {system_words(error)}", file=sys.stderr)
        sys.exit(1)
    except MemoryError:
        print("error: memory does not suffice; give this command more of it, or less to do at once.", file=sys.stderr)
        sys.exit(1)
