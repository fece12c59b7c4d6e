"""Files that are written whole or not at all, locked, or read in parts."""
