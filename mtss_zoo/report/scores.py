"""Scores and embeddings of the models of runs whose pictures are at hand; each is computed once, when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch

from mtss_zoo.errors import MtssZooError
from mtss_zoo.evaluate import measured_models, score_samples, split_samples
from mtss_zoo.interfaces import EmbeddingHead, Samples
from mtss_zoo.measures import Scored
from mtss_zoo.model import AttributeModel
from mtss_zoo.progress import say
from mtss_zoo.report.collect import Run
from mtss_zoo.report.roles import Model
from mtss_zoo.sampling import SubsetSamples
from mtss_zoo.streams import BadImages, evaluation_batches
from mtss_zoo.studies.answers import COUNTS, Answers, read_answers


class Scores:
    """What models say about the pictures that they were measured on.

    Args:
        runs: those to score; of any other, nothing is known.
        data_root: the folder of a dataset on disk; default is the one that the run was trained from.
    """

    def __init__(self, runs: Sequence[Run], data_root: str | Path | None = None) -> None:
        self.runs, self.data_root = {run.folder for run in runs}, data_root
        self.failed: dict[str, str] = {}
        """Folder of a run to why its pictures are not used."""
        self._samples: dict[tuple[Path, str], Samples | None] = {}
        self._scored: dict[Path, dict[str, Scored]] = {}

    def samples(self, model: Model) -> Samples | None:
        """The pictures that the model was measured on; ``None`` if they are not at hand."""
        run, split = model.run, model.measured.split
        if run.folder not in self.runs or len(run.seeds) > 1:  # which have no one model
            return None
        key = (run.folder, split)
        if key not in self._samples:
            try:
                self._samples[key] = self._open(run, split)
            except (MtssZooError, OSError) as error:
                self._samples[key] = None
                self.failed[str(run.folder)] = str(error)
        return self._samples[key]

    def of(self, model: Model) -> dict[str, Scored]:
        """Scores and truth by type; empty if the pictures are not at hand, or the weights do not load."""
        folder = model.run.folder / model.stage.name
        if folder not in self._scored:
            samples = self.samples(model)
            self._scored[folder] = self._score(folder, samples) if samples is not None else {}
        return self._scored[folder]

    def answers(self, model: Model) -> list[dict[str, Answers]]:
        """What the models of a study answered, by type, for each of its seeds; empty where that was not kept."""
        folders = [folder / model.stage.name for folder in model.run.folders]
        try:
            return [read_answers(folder) for folder in folders] if (folders[0] / COUNTS).is_file() else []
        except (ValueError, KeyError, OSError, BadZipFile) as error:
            self.failed[str(folders[0])] = str(error)
            return []

    def models(self, model: Model) -> dict[str, AttributeModel]:
        """The networks of a stage, by attribute type or ``all``."""
        return measured_models(model.run.folder / model.stage.name)

    def _open(self, run: Run, split: str) -> Samples:
        root = run.recipe.data.dataset.args.get("root")
        if self.data_root is None and root is not None and not Path(root).is_dir():
            raise MtssZooError(f"{root}, where its pictures were, is gone; name their folder with --data-root")
        return split_samples(run.recipe, split or run.recipe.evaluate.split, data_root=self.data_root)

    def _score(self, folder: Path, samples: Samples) -> dict[str, Scored]:
        say(f"{folder}: scoring {len(samples):,} pictures")
        try:
            models = measured_models(folder).values()
            return {name: s for m in models for name, s in score_samples(m, samples).items()}
        except (MtssZooError, ValueError, OSError) as error:
            self.failed[str(folder)] = str(error)
            return {}


@torch.inference_mode()
def embeddings(
    model: AttributeModel, type_name: str, samples: Samples, rows: Sequence[int]
) -> npt.NDArray[np.float32] | None:
    """Unit-length embeddings RD of some pictures; ``None`` for a head without embeddings."""
    if not isinstance(model.head(type_name), EmbeddingHead) or model.recipe is None:
        return None
    data, batch_size = model.recipe.data, model.recipe.evaluate.batch_size
    chosen = SubsetSamples(samples, rows)
    bad = BadImages(limit=data.max_bad_images)
    batches = evaluation_batches(chosen, model.schema, model.preprocess, batch_size, data.workers, bad)
    device = next(model.parameters()).device
    found = [model.embed(batch.images.to(device))[type_name].float().cpu() for batch in batches]
    unit: npt.NDArray[np.float32] = torch.nn.functional.normalize(torch.cat(found), dim=1).numpy()
    return unit if len(unit) == len(rows) else None
