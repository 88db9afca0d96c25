"""The auditor console: its own application on its own port; the one part of audit that needs a web framework."""
