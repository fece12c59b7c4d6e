"""Batches are a function of seed, step and rank; bad pictures are replaced, named and counted."""

import gc
import io
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mtss_zoo.batches import BatchReader, labels_as_arrays
from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, Batch, Draws, Sample
from mtss_zoo.recipe import AugmentSpec
from mtss_zoo.sampling import ConcatSamples, SampleStream, shuffled
from mtss_zoo.streams import BadImages, StreamLoader, evaluation_batches, fixed_views, own_steps

SCHEMA = AttributeSchema.from_dict(
    {
        "types": [
            {"name": "colour", "kind": "single", "classes": 3},
            {"name": "pattern", "kind": "multi", "classes": 4},
        ]
    }
)
PREPROCESS = Preprocess(8, 6, mean=(0, 0, 0), std=(1, 1, 1))
AUGMENTS = {
    "weak": AugmentSpec(shift=1, flip=0.5),
    "strong": AugmentSpec(crop_scale=(0.3, 1), color_jitter=0.4, erase=0.5),
    "plain": AugmentSpec(),
}


def picture(row: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(row).integers(0, 256, (10, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class Pictures:
    """Row r has the colour r mod 3; even rows have the patterns 1 and 2, odd ones unknown patterns."""

    number: int
    bad: frozenset[int] = frozenset()
    prefix: str = "picture"
    boxes: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, row: int) -> Sample:
        labels = {"colour": (row % 3,)} | ({} if row % 2 else {"pattern": (1, 2)})
        image = b"no picture" if row in self.bad else picture(row)
        return Sample(f"{self.prefix}-{row}", image, labels, bbox=self.boxes.get(row))

    def label_pairs(self, type_name: str) -> Any:
        raise NotImplementedError


def stream(
    samples: Any, batch_size: int = 4, views: tuple[str, ...] = ("weak",), draw: Callable[[int], Draws] | None = None
) -> SampleStream:
    return SampleStream(samples, batch_size, views, draw or (lambda epoch: shuffled(len(samples), 0, epoch)))


def loader(of: SampleStream, steps: int = 5, workers: int = 0, **options: Any) -> StreamLoader:
    options = {"seed": 0, "bad_images": BadImages(0)} | options
    return StreamLoader(of, SCHEMA, AUGMENTS, PREPROCESS, steps_per_epoch=steps, workers=workers, **options)


def epochs(of: StreamLoader, number: int) -> list[Batch]:
    return [batch for _ in range(number) for batch in of]


def flat(batch: Batch) -> dict[str, torch.Tensor]:
    named = {"rows": batch.rows, "view_numbers": batch.view_numbers}
    parts = {"view": batch.views, "target": batch.targets, "mask": batch.mask}
    return named | {f"{part} {name}": x for part, values in parts.items() for name, x in values.items()}


def assert_equal(batches: Iterable[Batch], expected: Iterable[Batch]) -> None:
    for one, other in zip(batches, expected, strict=True):
        first, second = flat(one), flat(other)
        assert list(first) == list(second)
        assert [name for name in first if not torch.equal(first[name], second[name])] == []


def rows(batches: Iterable[Batch]) -> list[list[int]]:
    return [batch.rows.tolist() for batch in batches]


def test_a_batch_holds_views_targets_and_masks() -> None:
    samples = Pictures(8, boxes={1: (2, 0, 9, 10)})
    batch = next(iter(loader(stream(samples, 3, ("weak", "plain"), lambda _: Draws(np.array([1, 4, 5]))))))
    assert list(batch.views) == ["weak", "plain"]
    assert {images.shape for images in batch.views.values()} == {(3, 3, 8, 6)}
    assert batch.images is batch.views["weak"]
    decoded = torch.from_numpy(np.array(Image.open(io.BytesIO(picture(1))))).permute(2, 0, 1)
    assert torch.equal(batch.views["plain"][0], PREPROCESS(decoded[:, :, 2:9]))
    assert batch.rows.tolist() == [1, 4, 5]
    assert batch.view_numbers.tolist() == [-1, -1, -1]
    assert batch.targets["colour"].tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert batch.targets["pattern"].tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert batch.mask["colour"].tolist() == [[True] * 3] * 3
    assert batch.mask["pattern"].tolist() == [[False] * 4, [True] * 4, [False] * 4]
    assert batch.targets["colour"].dtype == torch.float32
    assert batch.mask["colour"].dtype == torch.bool


def test_the_other_labels_of_a_picture_drawn_for_a_class_are_masked() -> None:
    draws = Draws(np.array([0, 2]), np.array([1, 2]), "pattern")
    batch = next(iter(loader(stream(Pictures(4), 2, draw=lambda _: draws))))
    assert batch.targets["pattern"].tolist() == [[0, 1, 1, 0]] * 2
    assert batch.mask["pattern"].tolist() == [[True, True, False, True], [True, False, True, True]]
    assert batch.mask["colour"].all()


def test_known_to_have_no_class_is_known() -> None:
    samples = [Sample("a", b"", {"pattern": ()}), Sample("b", b"")]
    targets, mask = labels_as_arrays(samples, SCHEMA["pattern"])
    assert targets.sum() == 0
    assert mask.tolist() == [[True] * 4, [False] * 4]


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_schema_is_named(label: int) -> None:
    with pytest.raises(DataError, match=rf"picture odd has the classes \[0, {label}\] of colour, which has 3 only"):
        labels_as_arrays([Sample("odd", b"", {"colour": (0, label)})], SCHEMA["colour"])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(workers: int) -> None:
    of = stream(Pictures(22), views=("weak", "strong"))
    assert_equal(epochs(loader(of, workers=workers), 2), epochs(loader(of), 2))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("handed_out", [0, 3, 5, 8])
def test_a_restart_goes_on_with_the_next_batch(workers: int, handed_out: int) -> None:
    of = stream(Pictures(22), views=("weak", "strong"))
    uninterrupted = epochs(loader(of), 3)
    killed = loader(of, workers=workers)
    before = list(islice((batch for _ in range(3) for batch in killed), handed_out))
    state = pickle.loads(pickle.dumps(killed.state_dict()))
    killed.close()
    resumed = loader(of, workers=workers)
    resumed.load_state_dict(state)
    rest_of_epoch = list(resumed)
    assert len(rest_of_epoch) == 5 - handed_out % 5
    assert_equal([*before, *rest_of_epoch, *epochs(resumed, 2 - handed_out // 5)], uninterrupted)


def test_loading_a_position_forgets_what_was_read_ahead() -> None:
    of = loader(stream(Pictures(22)))
    first = epochs(of, 1)
    of.load_state_dict({"batches": 0})
    assert_equal(epochs(of, 1), first)


def test_batches_that_were_only_read_ahead_do_not_count() -> None:
    of = loader(stream(Pictures(22)), workers=2)
    batches = iter(of)
    assert of.state_dict() == {"batches": 0}
    next(batches)
    next(batches)
    assert of.state_dict() == {"batches": 2}


def test_an_epoch_of_two_ranks_is_shared_out_without_overlap() -> None:
    of = stream(Pictures(17))
    assert own_steps(of, world_size=2) == 2
    alone = epochs(loader(of, steps=4), 1)
    ranks = [epochs(loader(of, steps=2, rank=rank, world_size=2), 1) for rank in (0, 1)]
    assert_equal([ranks[0][0], ranks[1][0], ranks[0][1], ranks[1][1]], alone)
    seen = [row for part in ranks for batch in rows(part) for row in batch]
    assert len(seen) == len(set(seen)) == 16


def test_a_short_stream_starts_over_with_its_own_next_epoch() -> None:
    of = stream(Pictures(9))
    assert own_steps(of) == 2
    expected = [shuffled(9, 0, epoch).rows.tolist()[at : at + 4] for epoch in range(5) for at in (0, 4)]
    assert rows(epochs(loader(of, steps=5), 2)) == expected


def test_the_loader_has_the_length_of_a_training_epoch() -> None:
    assert len(loader(stream(Pictures(9)), steps=7)) == 7


def test_a_stream_that_fills_no_batch_is_refused() -> None:
    with pytest.raises(UsageError, match=r"5 pictures does not fill one batch of 8 \(2 processes x 4\)"):
        loader(stream(Pictures(5)), world_size=2)
    with pytest.raises(UsageError, match="0 pictures does not fill one batch of 4;"):
        own_steps(stream(Pictures(0)))


def test_a_view_that_the_recipe_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="no view storng; its views are weak, strong, plain"):
        loader(stream(Pictures(9), views=("storng",)))


def all_row_0(epoch: int) -> Draws:
    return Draws(np.zeros(4, np.int64))


def test_fresh_views_differ_by_place_epoch_seed_and_name() -> None:
    of = stream(Pictures(1), views=("strong", "other"), draw=all_row_0)
    augments = {"strong": AUGMENTS["strong"], "other": AUGMENTS["strong"]}
    seen = [
        image.numpy().tobytes()
        for seed in (0, 1)
        for batch in StreamLoader(of, SCHEMA, augments, PREPROCESS, seed, 2, 0, BadImages(0))
        for images in batch.views.values()
        for image in images
    ]
    assert len(set(seen)) == len(seen) == 2 * 2 * 2 * 4


def numbered(epoch: int) -> Draws:
    return Draws(shuffled(8, 0, epoch).rows, views=np.arange(8) % 2)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("view", ["weak", "strong"])
def test_a_fixed_view_is_the_same_in_every_epoch_and_for_caches(view: str, workers: int) -> None:
    samples = Pictures(8)
    cached = [
        torch.cat(list(fixed_views(samples, PREPROCESS, AUGMENTS[view], v, 0, 3, workers, BadImages(0))))
        for v in (0, 1)
    ]
    assert cached[0].shape == (8, 3, 8, 6)
    assert not torch.equal(*cached)
    for batch in epochs(loader(stream(samples, views=(view,), draw=numbered), steps=4), 2):
        for image, row, number in zip(batch.images, batch.rows, batch.view_numbers, strict=True):
            assert torch.equal(image, cached[number][row])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_picture_gives_its_place_to_the_next_draw(workers: int, tmp_path: Path) -> None:
    bad_images = BadImages(2, tmp_path)
    in_order = Draws(np.arange(10), np.arange(10) % 3, "colour", np.arange(10) + 100)
    of = stream(Pictures(10, frozenset({1, 3})), 5, draw=lambda _: in_order)
    batches = epochs(loader(of, steps=2, workers=workers, bad_images=bad_images), 3)
    assert rows(batches) == [[0, 2, 4, 5, 6], [5, 6, 7, 8, 9]] * 3
    assert batches[0].view_numbers.tolist() == [100, 102, 104, 105, 106]
    assert batches[0].targets["colour"].argmax(1).tolist() == [0, 2, 1, 2, 0]
    lines = (tmp_path / "bad_images.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["picture-1", "picture-3"]
    assert "is not a picture" in lines[0]
    assert len(bad_images) == 2


def test_a_bad_picture_whose_name_is_no_utf_8_is_noted_once(tmp_path: Path) -> None:
    for _ in range(2):
        BadImages(1, tmp_path).add("caf\udce9.jpg", "is cut off")
    assert (tmp_path / "bad_images.txt").read_text(encoding="utf-8") == "caf\\udce9.jpg\tis cut off\n"


@pytest.mark.parametrize("workers", [0, 2])
def test_more_bad_pictures_than_allowed_end_the_run(workers: int, tmp_path: Path) -> None:
    of = stream(Pictures(10, frozenset({1, 3, 4})), draw=lambda _: Draws(np.arange(10)))
    with pytest.raises(
        DataError, match=r"^3 pictures cannot be read, more than the 2 .*picture-1 .*bad_images\.txt\.$"
    ):
        epochs(loader(of, workers=workers, bad_images=BadImages(2, tmp_path)), 1)
    assert len((tmp_path / "bad_images.txt").read_text().splitlines()) == 3


def test_a_batch_that_cannot_be_filled_ends_the_run() -> None:
    of = stream(Pictures(8, frozenset(range(8))))
    with pytest.raises(DataError, match="no readable pictures left for a batch: 8 cannot be read"):
        epochs(loader(of, bad_images=BadImages(100)), 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_small_batches_go_as_far_as_the_limit_allows(workers: int) -> None:
    """Nine unreadable pictures that follow each other: two batches' draws do not reach over them."""
    of = stream(Pictures(36, frozenset(range(5, 14))), 2, draw=lambda _: Draws(np.arange(36)))
    whole = epochs(loader(of, steps=18, bad_images=BadImages(9)), 1)
    assert rows(whole)[1:8] == [[2, 3], [4, 14], [14, 15], [14, 15], [14, 15], [14, 15], [14, 15]]
    for handed_out in (3, 5):
        resumed = loader(of, steps=18, workers=workers, bad_images=BadImages(9))
        resumed.load_state_dict({"batches": handed_out})
        assert_equal(epochs(resumed, 1), whole[handed_out:])
    with pytest.raises(DataError, match="9 pictures cannot be read, more than the 8 "):
        epochs(loader(of, steps=18, workers=workers, bad_images=BadImages(8)), 1)


def test_the_next_draws_of_an_epoch_follow_its_last_ones_until_all_were_tried() -> None:
    of = stream(Pictures(9, frozenset(range(1, 9))), 1, draw=lambda _: Draws(np.arange(9)))
    assert rows(epochs(loader(of, steps=9, bad_images=BadImages(8)), 1)) == [[0]] * 9


def test_a_restart_still_knows_the_bad_pictures(tmp_path: Path) -> None:
    first = BadImages(2, tmp_path)
    first.add("a\tb\nc", "is\nempty")
    first.add("d", "is cut off")
    again = BadImages(2, tmp_path)
    assert again.reasons == first.reasons == {"a b c": "is empty", "d": "is cut off"}
    again.add("d", "is cut off")
    with pytest.raises(DataError, match="3 pictures cannot be read"):
        again.add("e", "is empty")


class Faulty(Pictures):
    """Its rows cannot even be looked up."""

    def __getitem__(self, row: int) -> Sample:
        raise DataError(f"row {row} of the table is damaged.")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_fault_of_the_data_reaches_the_caller_as_it_is(workers: int) -> None:
    with pytest.raises(DataError, match=r"^row \d of the table is damaged\.$"):
        next(iter(loader(stream(Faulty(8)), workers=workers)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_picture_keeps_its_row_in_a_cache(workers: int) -> None:
    bad_images = BadImages(1)
    batches = list(fixed_views(Pictures(7, frozenset({4})), PREPROCESS, AUGMENTS["weak"], 0, 0, 3, workers, bad_images))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    blank = [not image.any() for image in torch.cat(batches)]
    assert blank == [row == 4 for row in range(7)]
    assert list(bad_images.reasons) == ["picture-4"]


@pytest.mark.parametrize("workers", [0, 2])
def test_evaluation_reads_every_picture_once_and_unchanged(workers: int) -> None:
    bad_images = BadImages(3)
    samples = ConcatSamples([Pictures(5, frozenset({1})), Pictures(2, frozenset({0, 1}), prefix="other")])
    batches = list(evaluation_batches(samples, SCHEMA, PREPROCESS, 3, workers, bad_images))
    assert rows(batches) == [[0, 2], [3, 4]]
    assert list(bad_images.reasons) == ["picture-1", "other-0", "other-1"]
    decoded = torch.from_numpy(np.array(Image.open(io.BytesIO(picture(2))))).permute(2, 0, 1)
    assert torch.equal(batches[0].images[1], PREPROCESS(decoded))
    assert batches[0].targets["pattern"].tolist() == [[0, 1, 1, 0]] * 2


def test_nothing_to_evaluate_gives_no_batch() -> None:
    assert list(evaluation_batches(Pictures(0), SCHEMA, PREPROCESS, 3, 0, BadImages(0))) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_leaves_the_global_generator_alone(workers: int) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    epochs(loader(stream(Pictures(22), views=("strong",)), steps=2, workers=workers), 1)
    assert torch.equal(torch.rand(3), expected)


class SaysHowItIs(Pictures):
    """Reports from inside a worker whether it ignores Ctrl-C, as the picture's label."""

    def __getitem__(self, row: int) -> Sample:
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return Sample(str(row), picture(row), {"colour": (int(ignored),)})


def test_workers_leave_ctrl_c_to_the_main_process() -> None:
    batch = next(iter(loader(stream(SaysHowItIs(4)), workers=1)))
    assert batch.targets["colour"].argmax(1).tolist() == [1] * 4


def test_workers_live_from_epoch_to_epoch_until_closed() -> None:
    def children() -> set[int | None]:
        return {process.pid for process in torch.multiprocessing.active_children()}

    before = children()
    of = loader(stream(Pictures(22)), workers=2)
    epochs(of, 1)
    first = children() - before
    epochs(of, 1)
    assert children() - before == first
    assert len(first) == 2
    of.close()
    assert not children() & first


def test_workers_end_with_their_loader() -> None:
    before = set(torch.multiprocessing.active_children())
    of = loader(stream(Pictures(22)), workers=2)
    list(of)
    assert len(set(torch.multiprocessing.active_children()) - before) == 2
    gc.disable()  # a cycle of references would only be found by the collector, too late for an orderly end
    try:
        del of
        assert not set(torch.multiprocessing.active_children()) - before
    finally:
        gc.enable()


READS_FOR_EVER = """
import numpy as np, torch
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, Draws, Sample
from mtss_zoo.recipe import AugmentSpec
from mtss_zoo.sampling import SampleStream
from mtss_zoo.streams import BadImages, StreamLoader

class Grey:
    def __len__(self): return 64
    def __getitem__(self, row): return Sample(str(row), torch.zeros(3, 8, 8, dtype=torch.uint8), {"wide": (1,)})

schema = AttributeSchema.from_dict({"types": [{"name": "wide", "kind": "single", "classes": 5000}]})
stream = SampleStream(Grey(), 64, ("plain",), lambda epoch: Draws(np.arange(64)))
views = {"plain": AugmentSpec()}
for batch in StreamLoader(stream, schema, views, Preprocess(8, 8), 0, 10**9, workers=2, bad_images=BadImages(0)):
    print("reading", flush=True)
"""


@pytest.mark.slow
def test_workers_end_when_the_main_process_is_killed() -> None:
    """They hold its output open: it ends only with the last of them."""
    with subprocess.Popen([sys.executable, "-c", READS_FOR_EVER], stdout=subprocess.PIPE) as main:
        assert main.stdout is not None
        assert main.stdout.readline() == b"reading\n"
        main.kill()
        main.communicate(timeout=300)


IN_A_GROUP = """
import os, sys
from torch import distributed
from mtss_zoo.workers import read_ahead

class SaysWhoStartedIt:
    def __getitem__(self, request): return os.getppid()

if __name__ == "__main__":
    for group in (False, True):
        if group:
            store = distributed.FileStore(sys.argv[1], 1)
            distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        (starter,) = read_ahead(SaysWhoStartedIt(), [0], 1, pin_memory=False)
        print("own" if starter == os.getpid() else "apart")
"""


@pytest.mark.slow
def test_workers_of_a_distributed_run_are_no_forks_of_it(tmp_path: Path) -> None:
    """A process group has threads, and a fork may copy a lock that one of them holds: its worker then never starts."""
    script = tmp_path / "started.py"
    script.write_text(IN_A_GROUP)
    command = [sys.executable, str(script), str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["own", "apart"], done.stderr


def test_what_a_worker_gets_can_be_sent_to_another_process() -> None:
    reader = BatchReader(Pictures(4), SCHEMA, AUGMENTS, PREPROCESS, seed=0)
    assert len(pickle.loads(pickle.dumps(reader)).samples) == 4
