"""Whether data can be trusted: the same picture twice, and labels that the models doubt."""
