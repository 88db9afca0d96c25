"""Preference data: read, judge, de-duplicate, split, and turn into tokens."""
