"""The life of a run: its folder, its checkpoints, its loop. Nothing here knows an algorithm."""
