"""Any dataset as uncompressed tars with an index, which the dataset `packed` reads."""
