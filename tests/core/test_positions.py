"""The table of positions, against its worked numbers."""

from __future__ import annotations

import pytest
import torch

from mtss_zoo.positions import sincos_positions


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
