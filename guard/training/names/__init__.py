"""Training of the name tagger; nothing here runs in the product."""
