"""The embedded classifier: Korean, Chinese and English text to calibrated probabilities, without torch or a hub."""

from __future__ import annotations

from guard.classifier.model import EmbeddedClassifier, classifiers, load

__all__ = ["EmbeddedClassifier", "classifiers", "load"]
