"""The engine: configuration, training, evaluation, checkpoints, scores. It may import every other package."""
