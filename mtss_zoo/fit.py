"""Trains one model of a run with Lightning, and leaves a checkpoint folder."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from mtss_zoo.build import build_strategy
from mtss_zoo.checkpoint import save
from mtss_zoo.errors import UsageError
from mtss_zoo.evaluate import score
from mtss_zoo.interfaces import Batch
from mtss_zoo.journal import LAST, Journal, OnValidation, best_weights
from mtss_zoo.measures import measure, slice_values
from mtss_zoo.metrics import Counts, count_at_k
from mtss_zoo.model import AttributeModel
from mtss_zoo.regime import RecipeDataset
from mtss_zoo.sampling import SubsetSamples
from mtss_zoo.stage import Context, StageRun
from mtss_zoo.streams import evaluation_batches
from mtss_zoo.training_module import TrainingModule
from mtss_zoo.weights import read_tensors

OTHERS = "others"
"""The folder, in that of a stage, of the models that are measured beside the delivered one."""


def fit(run: StageRun, dataset: RecipeDataset, on_validation: OnValidation | None = None) -> None:
    """Trains one model to its end, from its restart point if there is one.

    Args:
        run: the model that is trained.
        dataset: where its pictures come from.
        on_validation: called after every validation; what it raises ends the training without a restart point.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once a restart point is written.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    context = Context(run, dataset)
    validation = dataset.split(run.recipe.evaluate.select_on)

    def count(model: AttributeModel, rank: int, world_size: int) -> Counts:
        share = SubsetSamples(validation, range(rank, len(validation), world_size))
        scored = score(model, _batches(context, share)) if len(share) else {}
        return sum((count_at_k(s.scores, s.labels, 1) for s in scored.values()), Counts())

    model = run.build_model()
    module = TrainingModule(build_strategy(run.spec, model, context), context)
    journal = Journal(run, count, on_validation)
    last = run.folder / LAST
    with quiet_lightning(), journal:
        trainer = make_trainer(run, [journal])
        try:
            trainer.fit(module, ckpt_path=last if last.is_file() else None, weights_only=True)
        except SystemExit as error:  # what Lightning makes of SIGTERM and of a second Ctrl-C
            raise KeyboardInterrupt(_stopped(run)) from error
    if journal.stopped:
        raise KeyboardInterrupt(_stopped(run))
    if trainer.is_global_zero:
        _deliver(run, context, module, journal, trainer.strategy.root_device)
    trainer.strategy.barrier()


def make_trainer(run: StageRun, callbacks: list[Any], **fields: Any) -> Trainer:
    """Lightning's trainer for one pass over all batches of a run, with the fields that the recipe hands over.

    Raises:
        UsageError: this machine has not what they ask for.
    """
    try:
        return Trainer(
            **run.recipe.trainer.model_dump(exclude={"log_every", "save_every"}) | fields,
            max_epochs=1,
            gradient_clip_val=run.spec.optimizer.clip_norm,
            callbacks=callbacks,
            default_root_dir=run.folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, ValueError) as error:
        raise UsageError(f"the recipe's trainer fields do not work here: {error}") from error


def _stopped(run: StageRun) -> str:
    return f"{run.label} was stopped; the same command goes on from the restart point in {run.folder}."


def _batches(context: Context, samples: Any) -> Iterator[Batch]:
    recipe = context.run.recipe
    return evaluation_batches(
        samples,
        context.schema,
        context.preprocess,
        recipe.evaluate.batch_size,
        recipe.data.workers,
        context.bad_images,
    )


def _deliver(run: StageRun, context: Context, module: TrainingModule, journal: Journal, device: torch.device) -> None:
    """Measures the chosen weights and saves them, the delivered model last: only then is the stage finished.

    Models beside it, such as the student of a moving average, are of the same step, and are kept in ``others/``.
    """
    training: dict[str, Any] = {"stage": run.label, "steps": journal.step}
    if module.strategy.predicts:
        training |= {"selected_on": run.recipe.evaluate.select_on, "keep": run.spec.keep, "best": journal.best}

    def chosen(name: str, model: AttributeModel) -> dict[str, Any]:
        if (best := run.folder / best_weights(name)).is_file():
            model.load_state_dict(read_tensors(best))
        return _measured(context, model.to(device)) if module.strategy.predicts else {}

    others: dict[str, Any] = {}
    for name, model in module.strategy.others().items():
        others[name] = chosen(name, model)
        save(model, run.folder / OTHERS / name, others[name] | {"training": training})
    metrics = chosen("", module.delivered()) | ({"others": others} if others else {})
    save(module.delivered(), run.folder, metrics | {"training": training})
    for file in (LAST, *map(best_weights, module.models())):
        (run.folder / file).unlink(missing_ok=True)


def _measured(context: Context, model: AttributeModel) -> dict[str, Any]:
    options = context.run.recipe.evaluate
    samples = context.dataset.split(options.split)
    scored = score(model, _batches(context, samples))
    return {"split": options.split} | measure(scored, context.schema, options.k, slice_values(samples, options.slices))


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Lightning's messages are off: its advice does not fit a run that resumes its batches by position."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (r".*dataloader is not resumable.*", r".*in eval mode at the start of training.*"):
                warnings.filterwarnings("ignore", message=message)
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
