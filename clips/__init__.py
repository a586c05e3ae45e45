"""Clips: arrays (C, T, V, M) of channel, frame, joint and body; where they are stored and what is derived."""
