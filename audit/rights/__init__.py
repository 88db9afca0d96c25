"""What persons may ask for: requests with clocks, exports, restriction, correction, consultation log."""
