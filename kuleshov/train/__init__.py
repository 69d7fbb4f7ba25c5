"""Training: the only part of the package that needs torch (`pip install kuleshov[train]`)."""
