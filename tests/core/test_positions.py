"""The table of positions, against its worked numbers, and another grid's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from mtss_zoo.build import make
from mtss_zoo.positions import fit_positions, resampled_positions, sincos_positions
from mtss_zoo.recipe import Part


def test_the_position_table_of_vit_b():
    table = sincos_positions((14, 14), 768)
    assert table.shape == (1, 197, 768) and table.dtype == torch.float32
    assert not table[0, 0].any()
    row = table[0, 1 + 14 * 3 + 5]
    assert row[[0, 192, 384, 576, 1]].tolist() == pytest.approx(
        [-0.958924, 0.283662, 0.141120, -0.989992, -0.998573], abs=1e-6
    )


def test_the_position_table_of_a_small_grid():
    """The column comes first."""
    table = sincos_positions((2, 2), 8)[0]
    assert table[2].tolist() == pytest.approx([0.841471, 0.01, 0.540302, 0.99995, 0, 0, 1, 1], abs=1e-6)
    assert table[3].tolist() == pytest.approx([0, 0, 1, 1, 0.841471, 0.01, 0.540302, 0.99995], abs=1e-6)


def test_the_position_table_of_a_rectangle():
    """Patches go row by row: the first row of a wide grid is that of a wider square."""
    assert torch.equal(sincos_positions((2, 3), 8)[0, 1:4], sincos_positions((3, 3), 8)[0, 1:4])
    assert torch.equal(sincos_positions((2, 3), 8)[0, 4:7], sincos_positions((3, 3), 8)[0, 4:7])


@pytest.mark.parametrize("grid", [(2, 8), (8, 2), (4, 4)])
def test_a_table_for_another_grid_is_interpolated_in_rows_and_columns(grid):
    """All have 16 patches."""
    table = torch.randn(1, 17, 3, generator=torch.Generator().manual_seed(0))
    found = resampled_positions(table, grid, (4, 16))
    expected = F.interpolate(table[:, 1:].mT.reshape(1, 3, *grid), size=(4, 16), mode="bicubic", align_corners=False)
    torch.testing.assert_close(found[:, 1:], expected.reshape(1, 3, 64).mT)
    assert torch.equal(found[:, 0], table[:, 0])
    assert resampled_positions(table, grid, grid) is table


def vit(*image_size: int) -> torch.nn.Module:
    return make("backbone", Part(name="mae_vit_tiny", args={"image_size": image_size, "depth": 1}))


@pytest.mark.parametrize(
    ("size", "later_size"),
    [((80, 64), (64, 80)), ((80, 64), (160, 128)), ((64, 16), (128, 32)), ((64, 16), (32, 32)), ((32, 32), (64, 16))],
)
def test_an_earlier_backbone_is_fitted_to_the_grid_of_a_later_one(size, later_size):
    earlier, later = vit(*size), vit(*later_size)
    grid, table = earlier.grid, earlier.pos_embed.detach().clone()
    fit_positions(earlier, later)
    later.load_state_dict(earlier.state_dict())
    expected = F.interpolate(table[:, 1:].mT.reshape(1, -1, *grid), size=later.grid, mode="bicubic")
    torch.testing.assert_close(later.pos_embed[:, 1:], expected.flatten(2).mT)


def test_backbones_without_patches_stay_as_they_are():
    earlier = make("backbone", Part(name="resnet18"))
    before = copy.deepcopy(earlier.state_dict())
    fit_positions(earlier, vit(16, 16))
    assert all(torch.equal(before[key], tensor) for key, tensor in earlier.state_dict().items())
