"""One pass of an object detector over a dataset, which leaves a box for each picture; training runs no detector."""
