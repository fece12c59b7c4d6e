"""The built-in datasets: what each is called, its arguments, and where its code is. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from mtss_zoo import Component, hookimpl
from mtss_zoo_datasets import example_folders, example_trees, examples, hub_example


@dataclass(frozen=True)
class GarmentsArgs:
    """`garments`: generated pictures; see `mtss_zoo_datasets.garments.Garments`."""

    seed: Annotated[int, Ge(0)] = 0
    n_train: Annotated[int, Ge(1)] = 1500
    n_val: Annotated[int, Ge(1)] = 500
    n_test: Annotated[int, Ge(1)] = 500
    n_unlabelled: Annotated[int, Ge(0)] = 6000
    image_size: Annotated[int, Ge(16), Le(1024)] = 64
    domain: Literal["studio", "street"] = "studio"
    label_share: Annotated[float, Gt(0), Le(1)] = 0.5
    long_tail: Annotated[float, Ge(0)] = 0.8


@dataclass(frozen=True)
class FashionProductsArgs:
    """`fashion_products`: a folder with ``images/<id>.jpg``, ``styles.csv`` and perhaps ``splits.csv``."""

    root: str | None = None


@dataclass(frozen=True)
class ManifestArgs:
    """`manifest`: one row a picture in CSV, JSONL or Parquet, beside a schema file."""

    root: str | None = None
    file: str = "manifest.csv"
    schema_file: str = "schema.yaml"
    image_root: str | None = None
    min_agree: Annotated[int, Ge(1)] = 2
    answers: Literal["agreed", "all"] = "agreed"
    balance: str | None = None
    split_seed: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True)
class DeepFashionArgs:
    """`deepfashion`: a folder with ``Anno_coarse`` (or ``Anno``, ``Anno_fine``), ``Eval`` and ``Img``."""

    root: str | None = None
    variant: Literal["coarse", "fine"] = "coarse"
    zeros: Literal["negative", "unknown"] = "negative"
    bbox_pad: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True)
class IMaterialistFashionArgs:
    """`imaterialist_fashion`: ``train.json``, ``validation.json``, a label map, and ``<split>/<id>.jpg``."""

    root: str | None = None


@dataclass(frozen=True)
class DarnArgs:
    """`darn`: a folder with ``meta.json`` and, in ``<name>``, lists of pictures and labels, and the pictures."""

    root: str | None = None
    name: str = "DARN"


@dataclass(frozen=True)
class HuggingFaceArgs:
    """`huggingface`: a dataset repository of the Hub; see `mtss_zoo_datasets.huggingface.HuggingFace`."""

    root: str | None = None
    repo: str | None = None
    revision: str | None = None
    config: str | None = None
    image: str = "image"
    types: dict[str, str] | None = None
    id: str | None = None
    splits: dict[str, str] | None = None
    unlabelled: str | None = None
    separator: str | None = None
    val_share: Annotated[float, Ge(0), Lt(1)] = 0.15
    test_share: Annotated[float, Ge(0), Lt(1)] = 0.1
    split_seed: Annotated[int, Ge(0)] = 0
    stream: bool = False


@dataclass(frozen=True)
class ImageFolderArgs:
    """`imagefolder`: ``<split>/<class>/<picture>``, or ``<class>/<picture>``."""

    root: str | None = None
    label: str = "category"
    split_seed: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True)
class WebDatasetArgs:
    """`webdataset`: tars with pictures and labels; see `mtss_zoo_datasets.webdataset.WebDataset`."""

    root: str | None = None
    train: str | None = None
    val: str | None = None
    test: str | None = None
    unlabelled: str | None = None
    schema_file: str = "schema.yaml"
    label: str = "category"
    label_file: Literal["cls", "txt"] = "cls"


@dataclass(frozen=True)
class PackedArgs:
    """`packed`: a folder that ``mtss-zoo data pack`` wrote."""

    root: str | None = None


@hookimpl
def mtss_zoo_components() -> list[Component]:
    """The datasets of this package."""
    return [
        Component(
            "dataset",
            "garments",
            "mtss_zoo_datasets.garments:Garments",
            "generated pictures of garments; needs no download",
            GarmentsArgs,
            examples.garments,
        ),
        Component(
            "dataset",
            "fashion_products",
            "mtss_zoo_datasets.fashion_products:FashionProducts",
            "Fashion Product Images: images/<id>.jpg with styles.csv",
            FashionProductsArgs,
            examples.fashion_products,
        ),
        Component(
            "dataset",
            "manifest",
            "mtss_zoo_datasets.manifest:Manifest",
            "your own pictures: one row each in CSV, JSONL or Parquet",
            ManifestArgs,
            examples.manifest,
        ),
        Component(
            "dataset",
            "deepfashion",
            "mtss_zoo_datasets.deepfashion:DeepFashion",
            "DeepFashion category and attribute prediction, coarse or fine, as it is unpacked",
            DeepFashionArgs,
            example_trees.deepfashion,
        ),
        Component(
            "dataset",
            "imaterialist_fashion",
            "mtss_zoo_datasets.imaterialist_fashion:IMaterialistFashion",
            "iMaterialist-Fashion-2018: train.json, validation.json and downloaded pictures",
            IMaterialistFashionArgs,
            example_trees.imaterialist_fashion,
        ),
        Component(
            "dataset",
            "darn",
            "mtss_zoo_datasets.darn:Darn",
            "DARN by the lists of ASEN: meta.json, filenames_train.txt, label_train.txt",
            DarnArgs,
            example_trees.darn,
        ),
        Component(
            "dataset",
            "huggingface",
            "mtss_zoo_datasets.huggingface:HuggingFace",
            "a dataset repository of the Hugging Face Hub: Parquet files with pictures and label columns",
            HuggingFaceArgs,
            hub_example.huggingface,
        ),
        Component(
            "dataset",
            "imagefolder",
            "mtss_zoo_datasets.imagefolder:ImageFolder",
            "your own pictures: one folder a class, perhaps below one folder a split",
            ImageFolderArgs,
            example_folders.imagefolder,
        ),
        Component(
            "dataset",
            "webdataset",
            "mtss_zoo_datasets.webdataset:WebDataset",
            "your own pictures in tar shards, with labels in .json or .cls files beside them",
            WebDatasetArgs,
            example_folders.webdataset,
        ),
        Component(
            "dataset",
            "packed",
            "mtss_zoo_datasets.packed:Packed",
            "any dataset after `mtss-zoo data pack`: tars with one index",
            PackedArgs,
            example_folders.packed,
        ),
    ]
