"""Networks for other programs: ``python3 -m engine.export``.

``plan`` says what is exported, ``write`` writes it through ``files`` and has it compared by ``checks``; ``exported``
reads it again.
"""
