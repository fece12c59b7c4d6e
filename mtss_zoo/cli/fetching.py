"""``data fetch-urls``: the pictures of a list of web addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import Json, print_json, print_table

OUTCOMES = {
    "fetched": "fetched now",
    "there": "fetched earlier",
    "dead": "dead: nobody has them there any more",
    "refused": "refused: no picture that can be used",
    "failed": "failed: the next call tries them again",
}


def fetch_urls(
    listed: Annotated[
        Path, typer.Argument(metavar="LIST", help="iMaterialist's JSON, or CSV, JSONL, Parquet: id, url.")
    ],
    out: Annotated[Path, typer.Option(help="Pictures go to OUT/<name of the list>/<id>.jpg; the same call goes on.")],
    workers: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 16,
    per_host: Annotated[int, typer.Option(min=1, help="Pictures at once from one server.")] = 4,
    rate: Annotated[float, typer.Option(min=0.01, help="Requests a second to one server.")] = 10.0,
    retries: Annotated[int, typer.Option(min=0, help="Attempts after a first one that failed.")] = 3,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that a picture may take.")] = 30.0,
    max_bytes: Annotated[int, typer.Option(min=1, help="Of one picture.")] = 20_000_000,
    as_json: Json = False,
) -> None:
    """Fetch the pictures of a list of web addresses. Exit code 0 even if some are dead, 1 if there is none at all."""
    from mtss_zoo.fetch.run import FetchSettings, fetch_urls
    from mtss_zoo.progress import PictureCount

    settings = FetchSettings(
        workers=workers, per_host=per_host, rate=rate, retries=retries, timeout=timeout, max_bytes=max_bytes
    )
    count = PictureCount(None)
    try:
        done = fetch_urls(listed, out, settings, count.add)
    finally:
        count.close()
    if as_json:
        print_json(
            {
                "pictures": {kind: done.pictures[kind] for kind in OUTCOMES},
                "reasons": [{"outcome": k, "reason": r, "pictures": n} for (k, r), n in done.reasons.most_common()],
                "folder": str(done.folder),
                "record": str(done.record),
                "stopped": done.stopped,
            }
        )
    else:
        _print(done)
    if done.stopped:
        raise typer.Exit(130)
    if not done.pictures["fetched"] + done.pictures["there"]:
        raise typer.Exit(1)


def _print(done: Any) -> None:
    print_table([{"what": words, "pictures": done.pictures[kind]} for kind, words in OUTCOMES.items()])
    if done.reasons:
        common = done.reasons.most_common(10)
        print_table([{"outcome": kind, "reason": reason, "pictures": n} for (kind, reason), n in common])
    lost = done.pictures["dead"] + done.pictures["refused"] + done.pictures["failed"]
    if lost:
        print(f"{lost} pictures are missing; {done.record} says why, one line each.")
    if done.stopped:
        print("Stopped before the end of the list. The same command goes on.")
