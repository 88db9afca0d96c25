"""Trains the embedded classifier: labelled data in, weights and a model card out. The product never imports this."""
