"""Search around a recipe's own values."""
