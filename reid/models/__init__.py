"""Network architectures for re-identification."""
