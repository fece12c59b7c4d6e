"""Puts a trained student into this package, small enough to travel with it.

python -m mtss_zoo_starter.pack runs/starter/student [COMMANDS.txt]

The card says how the student was made: by the commands of that file, or else by its recipe as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mtss_zoo.checkpoint import load, save
from mtss_zoo.checkpoint_files import CARD, METRICS, WEIGHTS, read_json
from mtss_zoo.errors import UsageError
from mtss_zoo.local_paths import without_local_paths

MOST_BYTES = 25_000_000

ABOUT = """
## Data

Trained on the small copy of Fashion Product Images: product photos of an Indian web shop, recompressed at 60 x
80 pixels; 9,402 with labels and 26,161 without. Underwear, nightwear, cosmetics, sporting goods and home were
left out. Pattern is read from product names, and known for a fifth of the photos. The small copy's card states
no licence; that of a larger copy (`Marqo/KAGL`) says MIT and "we do not own": the pictures belong to the shop,
and are not part of this package.

## Limits

It knows single products on a plain ground, from one shop and about the years 2010 to 2017. Season, usage and
gender are the shop's own words, not facts that a photo shows. Rare classes are found less often: see
`metrics.json` for each class. Scores are cosines, not probabilities. The numbers above are of the shop's own
`val` photos, on which the settings were not chosen; 31 of the training photos are byte-equal to one of them.

## How it was made

```sh
{commands}
```

with seed {seed}; the weights are stored as float16.
"""
COMMANDS = """
mtss-zoo train {name} --data-root DATA --out runs/starter
python -m mtss_zoo_starter.pack runs/starter/student
"""


def pack(source: Path, commands: str = COMMANDS) -> Path:
    """Writes a checkpoint folder, in half precision and without local paths, into this package; returns where.

    Args:
        source: the checkpoint folder of a student.
        commands: those that made it, for the card.

    Raises:
        UsageError: it is larger than 25 MB; what was there before stays.
    """
    model = load(source)
    assert model.recipe is not None, "a loaded model has a recipe"
    recipe = without_local_paths(model.recipe.model_copy(update={"license": "other"}))
    model.recipe = recipe
    folder = Path(__file__).with_name(recipe.name)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{recipe.name}.") as made:
        new = save(model.half(), Path(made) / "new", read_json(source / METRICS))
        if (size := (new / WEIGHTS).stat().st_size) > MOST_BYTES:
            most = f"{MOST_BYTES / 1e6:.0f} MB"
            raise UsageError(f"{source} takes {size / 1e6:.0f} MB in half precision, more than {most}.")
        with (new / CARD).open("a", encoding="utf-8") as card:
            card.write(ABOUT.format(commands=commands.strip().replace("{name}", recipe.name), seed=recipe.seed))
        if folder.is_dir():
            folder.rename(Path(made) / "old")
        new.rename(folder)
    return folder


if __name__ == "__main__":
    print(pack(Path(sys.argv[1]), *(Path(path).read_text(encoding="utf-8") for path in sys.argv[2:3])))
