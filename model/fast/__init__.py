"""Faster forms of the operators in ``model``, which are theirs to read: same weights, same numbers (``model.fuse``)."""
