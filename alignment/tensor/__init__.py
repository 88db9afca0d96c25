"""Pure functions on tensors: what the algorithms are, apart from models, files and loops."""
