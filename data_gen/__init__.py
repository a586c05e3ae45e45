"""Preparation commands, one per data set: ``python3 -m data_gen.<command>`` turns recordings into clips on disk."""
