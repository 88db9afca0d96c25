"""OpenAI's wire format: requests, chunks, errors, server-sent events. No IO."""
