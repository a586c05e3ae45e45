"""One page about one or several runs: ``python3 -m engine.report WORK_DIR... --out report/``.

``gather`` says what lies in the work dirs, ``results`` what the scores amount to, ``animation``, ``saliency`` and
``graphs`` what else there is to see, and ``page`` puts it into one file that needs nothing else.
"""
