"""Scores of samples, judged and fused by name: what is behind ``ensemble.py``.

``files`` reads everybody's files into ``scores``; ``fusion`` puts streams together by ``weighting``, or by weights that
``search`` finds; ``labels`` says what is true, and ``metrics`` and ``tables`` what the result is worth.
"""
