"""A plugin that breaks every contract, each of its components a single one; those called ``good_*`` break none."""

from __future__ import annotations

from dataclasses import dataclass

from mtss_zoo import Component, hookimpl


@dataclass(frozen=True)
class ScaleArgs:
    scale: float = 2.0


@dataclass(frozen=True)
class OtherArgs:
    size: float = 1.0


@dataclass
class MutableArgs:
    scale: float = 1.0


COMPONENTS = {
    "backbone": (
        "good_backbone forgets_a_parameter repeats_a_parameter random_in_eval buffer_on_meta wrong_num_features "
        "unused_parameter sees_its_batch state_outside"
    ),
    "head": "good_head good_embedding_head wrong_shape disagrees centres_its_batch detaches half_an_embedding_head",
    "loss": (
        "good_loss good_embedding_loss ignores_mask nan_when_masked constant_when_masked ordered changes_targets "
        "overflows not_a_scalar hard_targets_only says_nothing prefers_the_opposite"
    ),
    "strategy": (
        "good_strategy global_draws restless_draws uneven_epochs no_loss detached_loss forgetful trains_its_teachers "
        "delivers_nothing measures_one_model_twice"
    ),
    "dataset": (
        "good_dataset leaves_its_schema several_of_a_single_type answers_without_a_draw answers_against_the_label "
        "pairs_disagree pairs_unsorted other_every_time repeats_ids known_unlabelled key_error_for_a_split "
        "finds_fault unreadable not_for_workers own_schema_only"
    ),
}


@hookimpl
def mtss_zoo_components() -> list[Component]:
    """Components whose classes have the same names, and some whose metadata are wrong."""
    found = [
        Component(kind, name, f"broken_plugin.{kind}:{name}", "breaks one contract")
        for kind, names in COMPONENTS.items()
        for name in names.split()
    ]
    scaled = "broken_plugin.loss:scaled"
    return [
        *found,
        Component("loss", "other_default", scaled, "a default differs", ScaleArgs),
        Component("loss", "other_names", scaled, "a name differs", OtherArgs),
        Component("loss", "mutable_args", scaled, "args can change", MutableArgs),
        Component("loss", "no_args", scaled, "args are missing"),
        Component("loss", "no_summary", "broken_plugin.loss:good_loss"),
        Component("loss", "BadName", "broken_plugin.loss:good_loss", "no name for a recipe"),
        Component("loss", "no_target", "broken_plugin.loss:not_there", "the class does not exist"),
        Component("loss", "bad_example", scaled, "its example is wrong", ScaleArgs, lambda folder: {"scale": "much"}),
        Component("head", "no_num_classes", "broken_plugin.head:no_num_classes", "takes too little"),
    ]
