"""A model on another dataset: the classes that both have, decided among these alone, on the pictures that have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from mtss_zoo import build, evaluate_across, save, train
from mtss_zoo.aliases import SharedClasses, read_aliases
from mtss_zoo.build import build_dataset
from mtss_zoo.cross_domain import SharedPictures, restricted
from mtss_zoo.errors import RecipeError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Sample
from mtss_zoo.recipe import DataSpec, Part

SHOP = AttributeSchema(
    (
        AttributeType("pattern", "single", ("Floral", "Stripes", "Pin Stripes", "Polka Dot", "Solid")),
        AttributeType("colour", "single", ("red", "blue")),
    )
)
STREET = AttributeSchema((AttributeType("Clothes Pattern", "multi", ("Stripe", "Lattice", "Flower", "Dot")),))
MAP = """\
types:
  pattern:
    target: Clothes Pattern
    classes:
      Flower: [Floral]
      Stripe: [Stripes, Pin Stripes]
"""


class Pictures:
    """Pictures that show their row, with these labels of the street's pattern."""

    def __init__(self, labels: list[tuple[int, ...] | None]) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> Sample:
        known = self.labels[row]
        image = torch.full((3, 16, 16), row, dtype=torch.uint8)
        return Sample(f"street {row}", image, {} if known is None else {"Clothes Pattern": known})

    def label_pairs(self, type_name: str) -> tuple[np.ndarray, np.ndarray]:
        pairs = [(row, c) for row, known in enumerate(self.labels) for c in known or ()]
        rows, classes = np.array(pairs, np.int64).reshape(-1, 2).T
        return rows, classes


class Street:
    """A dataset of one split."""

    schema = STREET
    splits = ("train", "test")

    def __init__(self, labels: list[tuple[int, ...] | None]) -> None:
        self.labels = labels

    def split(self, name: str) -> Pictures:
        return Pictures(self.labels)

    def unlabelled(self) -> Pictures:
        return Pictures([])

    def check(self) -> list[str]:
        return []


def shared(text: str = MAP) -> list[SharedClasses]:
    return read_aliases(yaml.safe_load(text), SHOP, STREET)


class TestMap:
    def test_names_become_classes_of_both_sides(self, tmp_path: Path) -> None:
        (tmp_path / "map.yaml").write_text(MAP)
        (found,) = read_aliases(tmp_path / "map.yaml", SHOP, STREET)
        assert found == SharedClasses("pattern", "Clothes Pattern", ("Flower", "Stripe"), (2, 0), ((0,), (1, 2)))

    def test_a_type_may_have_one_name_on_both_sides(self) -> None:
        aliases = {"types": {"colour": {"classes": {"red": ["red"], "blue": ["blue"]}}}}
        (found,) = read_aliases(aliases, SHOP, SHOP)
        assert (found.target, found.aliases) == ("colour", ((0,), (1,)))

    def test_all_faults_are_told_at_once_with_their_lines(self, tmp_path: Path) -> None:
        (tmp_path / "map.yaml").write_text(
            "types:\n"
            "  patern: {target: Clothes Pattern, classes: {Flower: [Floral]}}\n"
            "  colour:\n"
            "    target: Colour\n"
            "    classes: {red: [red]}\n"
            "  pattern:\n"
            "    target: Clothes Pattern\n"
            "    classes:\n"
            "      Flowers: [Floral]\n"
            "      Stripe: [Stripes, Pin Stripe]\n"
            "      Dot: [Polka Dot, Stripes]\n"
        )
        with pytest.raises(UsageError) as error:
            read_aliases(tmp_path / "map.yaml", SHOP, STREET)
        said = str(error.value).splitlines()
        assert [line.split(":")[1] for line in said] == ["2", "4", "9", "10", "11"]
        assert "Did you mean pattern?" in said[0] and "There are: Clothes Pattern." in said[1]
        assert "no class 'Flowers'. Did you mean Flower?" in said[2]
        assert "no class 'Pin Stripe'. Did you mean" in said[3]
        assert "'Stripes' means 'Stripe' already" in said[4]

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("types: {}", "types: dictionary should have at least 1 item"),
            ("types: {pattern: {classes: {Flower: []}}}", "types.pattern.classes.Flower: list should have at least"),
            ("types: {pattern: {classes: {Flower: Floral}}}", "types.pattern.classes.Flower: input should be a valid"),
            ("tpyes: {}", "tpyes: extra inputs"),
            ("types: {pattern: {target: Clothes Pattern}}", "types.pattern.classes: field required"),
            ("types: [pattern]", "types: input should be a valid dictionary"),
        ],
    )
    def test_another_structure_is_refused(self, text: str, fault: str) -> None:
        with pytest.raises(UsageError, match=fault.replace(".", r"\.")):
            shared(text)

    @pytest.mark.parametrize("text", ["types: !!python/name:os.system x", "a: &a [1]\nb: *a", "- 1"])
    def test_only_plain_yaml_is_read(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "map.yaml").write_text(text)
        with pytest.raises(RecipeError, match=r"map\.yaml"):
            read_aliases(tmp_path / "map.yaml", SHOP, STREET)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"alias map .*nowhere"):
            read_aliases(tmp_path / "nowhere.yaml", SHOP, STREET)


RECIPE: dict[str, Any] = {
    "name": "tiny",
    "schema": SHOP.to_dict(),
    "data": {"dataset": "garments", "image_size": [16, 16], "workers": 0, "mean": [0, 0, 0], "std": [1, 1, 1]},
    "model": {"backbone": "rows", "head": "linear"},
}


@pytest.fixture
def model(install_plugin: Any) -> Any:
    """Its scores of a pattern are those of the table below, by the row that the picture shows."""
    install_plugin(
        "rows",
        "import mtss_zoo, torch\n"
        "class Rows(torch.nn.Module):\n"
        "    num_features = 8\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.weight = torch.nn.Parameter(torch.zeros(1))\n"
        "    def forward(self, images):\n"
        "        rows = (images[:, 0, 0, 0] * 255).round().long()\n"
        "        return torch.nn.functional.one_hot(rows, 8).float()\n"
        "    def layer_groups(self):\n"
        "        return [[self.weight]]\n"
        "@mtss_zoo.hookimpl\n"
        "def mtss_zoo_components():\n"
        "    return [mtss_zoo.Component('backbone', 'rows', 'rows_plugin:Rows')]\n",
    )
    model = build(RECIPE).eval()
    with torch.no_grad():
        linear = next(m for m in model.head("pattern").modules() if isinstance(m, torch.nn.Linear))
        linear.weight.zero_()
        linear.bias.zero_()
        #                      Floral Stripes Pin Stripes Polka Dot Solid
        table = torch.tensor(
            [
                [0.5, 0.1, 0.4, 0.0, 0.9],  # Solid is best, but not shared: Flower
                [0.3, 0.1, 0.6, 0.0, 0.0],  # Stripe, by Pin Stripes
                [0.3, 0.5, 0.1, 0.9, 0.0],  # Stripe, as Dot is not shared
                [0.9, 0.8, 0.8, 0.0, 0.0],  # Flower
            ]
        )
        linear.weight[:, :4] = table.T
    return model


def test_a_shared_class_scores_as_the_best_of_its_aliases(model: Any) -> None:
    narrow = restricted(model, shared())
    assert narrow.schema["pattern"].classes == ("Flower", "Stripe")
    images = torch.arange(4).view(4, 1, 1, 1).expand(4, 3, 16, 16) / 255
    expected = torch.tensor([[0.5, 0.4], [0.3, 0.6], [0.3, 0.5], [0.9, 0.8]])
    torch.testing.assert_close(narrow(images)["pattern"], expected)
    model.trained("pattern")[2] = False  # Pin Stripes
    assert restricted(model, shared())(images)["pattern"][:, 1].tolist() == pytest.approx([0.1, 0.1, 0.5, 0.8])
    model.trained("pattern")[1] = False
    assert restricted(model, shared())(images)["pattern"][:, 1].tolist() == [-torch.inf] * 4
    assert not model.training and not narrow.training


def test_only_pictures_with_a_shared_class_count_and_by_it_alone() -> None:
    # Stripe 0, Lattice 1, Flower 2, Dot 3: the map shares Flower, its class 0, and Stripe, its class 1
    samples = SharedPictures(Pictures([(2,), None, (1,), (), (0, 1), (3,), (0, 2)]), shared())
    assert [samples[row].id for row in range(len(samples))] == ["street 0", "street 4", "street 6"]
    assert [samples[row].labels for row in range(3)] == [{"pattern": (0,)}, {"pattern": (1,)}, {"pattern": (1, 0)}]
    rows, classes = samples.label_pairs("pattern")
    assert (rows.tolist(), classes.tolist()) == ([0, 1, 2, 2], [0, 1, 1, 0])


def test_f1_is_that_of_a_worked_example(model: Any) -> None:
    """Decided: Flower, Stripe, Stripe, Flower. True: Flower, Stripe, Flower, Stripe; the last two pictures are out."""
    report = evaluate_across(model, yaml.safe_load(MAP), Street([(2,), (0,), (2,), (0,), (1,), None]))
    assert (report["split"], report["dataset"], report["pictures"]) == ("test", "street", 6)
    assert (report["aliases"], report["data_root"]) == (yaml.safe_load(MAP), None)
    measured = report["stages"]["model"]
    row = measured["types"]["pattern"]
    assert (measured["n"], row["n"], row["f1@1"]) == (4, 4, 0.5)
    assert row["classes"]["Flower"] == {"n": 2, "f1@1": 0.5, "recall@1": 0.5, "precision@1": 0.5}
    assert measured["all"]["f1@1"] == 0.5
    model.trained("pattern")[1:3] = False  # no alias of Stripe: always Flower
    row = evaluate_across(model, yaml.safe_load(MAP), Street([(2,), (0,), (2,), (0,)]))["stages"]["model"]["types"]
    assert row["pattern"]["classes"]["Flower"]["f1@1"] == pytest.approx(2 * 2 / (4 + 2))
    assert row["pattern"]["classes"]["Stripe"]["f1@1"] == 0


def test_a_checkpoint_is_measured_under_its_folder_s_name(model: Any, tmp_path: Path) -> None:
    save(model, tmp_path / "student")
    report = evaluate_across(tmp_path / "student", yaml.safe_load(MAP), Street([(2,), (0,)]))
    assert report["stages"]["student"]["all"]["f1@1"] == 1


def test_a_split_without_a_shared_class_is_told(model: Any) -> None:
    with pytest.raises(UsageError, match="no picture of test of street has a class of the alias map"):
        evaluate_across(model, yaml.safe_load(MAP), Street([(1,), None]))


SMALL = {"n_train": 16, "n_val": 8, "n_test": 24, "n_unlabelled": 8, "image_size": 32}
ACROSS = Path(__file__).parents[2] / "docs/garments_street.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Teachers of one type each, and a student."""
    out = tmp_path_factory.mktemp("across") / "run"
    stage = {"steps": 1, "batch_size": 4, "optimizer": {"lr": 0.1}}
    recipe = {
        "name": "tiny",
        "data": {
            "dataset": {"name": "garments", "args": SMALL},
            "types": ["colour", "pattern"],
            "image_size": [32, 32],
            "workers": 0,
        },
        "model": {
            "backbone": {"name": "timm", "args": {"name": "test_resnet"}},
            "head": {"name": "label_embedding", "args": {"dim": 8}},
        },
        "stages": {
            "teachers": {**stage, "strategy": "supervised", "loss": "focal_ranking", "per_type": True},
            "student": {**stage, "strategy": "mtss", "loss": "embedding_distillation"},
        },
    }
    train(recipe, out=out)
    return out


def test_the_teachers_of_a_run_stand_beside_its_student(run: Path) -> None:
    street = build_dataset(DataSpec(dataset=Part(name="garments", args=SMALL | {"domain": "street"})))
    report = evaluate_across(run, ACROSS, street)
    assert (list(report["stages"]), report["aliases"]) == (["teachers", "student"], str(ACROSS))
    counts = np.bincount(street.split("test").label_pairs("pattern")[1], minlength=7)
    for measured in report["stages"].values():
        of_class = {c: row["n"] for c, row in measured["types"]["pattern"]["classes"].items()}
        assert of_class == dict(
            zip(("floral", "striped", "dotted", "checked", "leopard"), counts[[4, 1, 3, 2, 6]].tolist(), strict=True)
        )
    teacher, student = (report["stages"][s]["types"]["pattern"]["f1@1"] for s in ("teachers", "student"))
    assert report["gain"]["pattern"]["f1@1 absolute"][0] == pytest.approx(100 * (student - teacher))


def test_the_other_domain_may_be_named_by_a_recipe(run: Path) -> None:
    import mtss_zoo.named_data as named

    _, street = named.open_named("mtss_quickstart_street", None, shares=False)
    assert street.split("test")[0].metadata == {"domain": "street"}
    with pytest.raises(UsageError, match="tset"):
        evaluate_across(run / "student", ACROSS, "garments", split="tset")
