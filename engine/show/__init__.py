"""Pictures of clips, confusions and data sets: ``python3 -m engine.show``."""
