"""A model as one file for other programs, and predictions from it without PyTorch."""
