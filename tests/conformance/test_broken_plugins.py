"""The suite finds every way to break a contract, by the test of that contract, and passes what keeps them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtss_zoo.conformance import run

HERE = Path(__file__).parent
ARGS = "its_args_agree_with_its_constructor"

EXPECTED = {
    # the entry points
    "heavy": "loading_the_plugin_imports_nothing_heavy",
    "raises": "the_plugin_loads",
    "carrier": "its_trained_models_load",
    # metadata
    "other_default": ARGS,
    "other_names": ARGS,
    "no_args": ARGS,
    "no_num_classes": ARGS,
    "mutable_args": "its_args_are_a_frozen_dataclass",
    "no_summary": "it_has_a_summary_of_one_line",
    "BadName": "its_name_can_stand_in_a_recipe",
    "no_target": "its_target_can_be_imported",
    "bad_example": "its_example_arguments_are_valid",
    # backbones
    "forgets_a_parameter": "its_layer_groups_hold_every_parameter_once",
    "repeats_a_parameter": "its_layer_groups_hold_every_parameter_once",
    "random_in_eval": "it_is_deterministic_in_eval_mode",
    "buffer_on_meta": "its_state_survives_a_file",
    "state_outside": "its_state_survives_a_file",
    "wrong_num_features": "it_gives_one_row_of_features_for_each_picture",
    "unused_parameter": "the_gradient_reaches_every_parameter",
    "sees_its_batch": "a_picture_does_not_depend_on_its_batch_in_eval_mode",
    # heads
    "wrong_shape": "it_gives_one_score_for_each_class",
    "disagrees": "embed_and_score_agree_with_forward",
    "half_an_embedding_head": "embed_and_score_agree_with_forward",
    "centres_its_batch": "it_is_deterministic_in_eval_mode",
    "detaches": "the_gradient_reaches_the_features_and_every_parameter",
    # losses
    "ignores_mask": "masked_entries_have_no_influence",
    "nan_when_masked": "with_everything_masked_it_is_zero",
    "constant_when_masked": "with_everything_masked_it_is_zero",
    "ordered": "the_order_of_pictures_does_not_matter",
    "changes_targets": "it_leaves_its_inputs_as_they_are",
    "overflows": "it_stays_finite_in_half_precision",
    "not_a_scalar": "it_gives_a_finite_scalar",
    "hard_targets_only": "soft_targets_give_a_finite_scalar",
    "says_nothing": "it_says_what_it_compares",
    "prefers_the_opposite": "a_student_like_its_teacher_is_best",
    # strategies
    "global_draws": "its_draws_are_a_function_of_the_epoch_alone",
    "restless_draws": "its_draws_are_a_function_of_the_epoch_alone",
    "uneven_epochs": "all_epochs_are_equally_long",
    "no_loss": "a_step_gives_a_loss_that_the_model_learns_from",
    "detached_loss": "a_step_gives_a_loss_that_the_model_learns_from",
    "forgetful": "its_state_survives_a_restart",
    "trains_its_teachers": "models_of_earlier_stages_stay_as_they_are",
    "delivers_nothing": "it_delivers_a_model_of_the_stages_types",
    "measures_one_model_twice": "it_delivers_a_model_of_the_stages_types",
    # datasets
    "leaves_its_schema": "its_labels_fit_its_schema",
    "several_of_a_single_type": "its_labels_fit_its_schema",
    "answers_without_a_draw": "its_answers_fit_its_labels",
    "answers_against_the_label": "its_answers_fit_its_labels",
    "pairs_disagree": "its_label_pairs_are_those_of_its_samples",
    "pairs_unsorted": "its_label_pairs_are_those_of_its_samples",
    "other_every_time": "two_constructions_are_equal",
    "repeats_ids": "its_ids_are_unique",
    "known_unlabelled": "unlabelled_samples_have_no_labels",
    "key_error_for_a_split": "a_split_that_does_not_exist_is_refused_by_name",
    "finds_fault": "its_check_finds_nothing_wrong_with_its_example",
    "unreadable": "its_pictures_can_be_decoded",
    "not_for_workers": "it_can_be_sent_to_worker_processes",
    "own_schema_only": "it_can_be_read_under_a_given_schema",
}
"""Component or entry point of `broken_plugin` to the test, without ``test_``, that must name its fault."""


@pytest.mark.slow
def test_each_broken_component_fails_the_test_of_what_it_breaks_and_each_good_one_passes(install, conformance):
    modules = {"parts": "", "heavy": ".heavy", "raises": ".not_there", "carrier": ".carrier"}
    entries = {name: f"broken_plugin{module}" for name, module in modules.items()}
    install("broken", entries, HERE)
    code, failures = conformance("broken")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert failures.keys() == EXPECTED.keys()
    unnamed = {name: failures[name] for name, test in EXPECTED.items() if f"test_{test}" not in failures[name]}
    assert unnamed == {}


def test_one_entry_point_can_be_tested_alone(install, conformance):
    install("broken", {"parts": "broken_plugin", "raises": "broken_plugin.not_there"}, HERE)
    _, failures = conformance("raises")
    assert failures == {"raises": {"test_the_plugin_loads", "test_loading_the_plugin_imports_nothing_heavy"}}


def test_a_failure_says_what_to_do(install, capfd):
    install("broken", {"parts": "broken_plugin"}, HERE)
    run("broken", "-k", "nan_when_masked and everything or buffer_on_meta and file or other_default")
    shown = capfd.readouterr().out
    assert "with every label unknown the loss is nan, but 0 is needed: divide by mask.sum().clamp(min=1), say." in shown
    assert "scale has no value after loading, because it is not in the state dict" in shown
    assert "argument scale: the default is 2.0 in args, but 1.0 in broken_plugin.loss:scaled." in shown


def test_a_plugin_that_is_not_installed_is_refused_with_those_that_are(capfd):
    assert run("acme") == pytest.ExitCode.USAGE_ERROR
    shown = capfd.readouterr().err
    assert "no installed plugin is called 'acme'. Installed are: mtss-zoo (backbones, datasets, heads" in shown


def test_without_a_name_the_suite_asks_for_one(capfd):
    assert pytest.main(["--pyargs", "mtss_zoo.conformance", "-p", "no:cacheprovider"]) == pytest.ExitCode.USAGE_ERROR
    assert "name the plugin to test with --plugin NAME. Installed are: mtss-zoo" in capfd.readouterr().err
