"""Feeders: torch data sets over clips on disk, with the augmentations of each lineage."""
