"""Predictions for many pictures: a folder, a manifest or tars into one file, or batch after batch of Ray Data."""
