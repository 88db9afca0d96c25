"""An independent verifier, written from audit/FORMAT.md alone. It imports nothing of Haechi's, only `cryptography`."""
