"""Skeletons and their graphs, in NumPy.

A skeleton is a table (``layouts.LAYOUTS``) or a user's YAML file (``layout.read_layout``); everything a network needs
of it is computed from that table by pure functions (``adjacency``). ``ntu_rgb_d``, ``kinetics`` and ``custom`` hold
the classes that a configuration names as its ``graph``.
"""
