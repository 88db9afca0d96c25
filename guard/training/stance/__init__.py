"""Pairs of claim and evidence, and the training of the embedded stance model on them. See docs/stance.md."""
