"""The networks and their operators, one operator per file; a network maps clips (N, C, T, V, M) to logits."""
