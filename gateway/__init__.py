"""HTTP only: the one door that joins guard, audit and a model."""
