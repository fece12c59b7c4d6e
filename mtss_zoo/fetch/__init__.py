"""The pictures of a list of web addresses, fetched politely into a folder, and again after any stop."""
