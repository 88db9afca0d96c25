"""Models behind the gateway: a local Qwen in this process, or any OpenAI-compatible server."""
