"""An encrypted, tamper-evident log that an auditor can check without trusting its operator."""
