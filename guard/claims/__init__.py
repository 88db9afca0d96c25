"""Claims of an answer held against evidence that can be shown: split, compare, judge."""
