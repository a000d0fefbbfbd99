"""The config file: from YAML text to `Config` and back."""
