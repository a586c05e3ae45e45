"""Preparation: commands that turn a data set as it is downloaded into clips on disk."""
