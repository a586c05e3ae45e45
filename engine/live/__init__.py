"""Labels of a live stream of poses: ``python3 -m engine.predict --stream``.

``frames`` reads them, ``track`` tells who is who, ``window`` keeps the last ones, ``window_clip`` prepares them as a
recording, and ``stream`` asks the networks.
"""
